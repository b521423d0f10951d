"""What can be wrong with a setting ``aiohttp_*``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, get_args

from yarl import URL

from .places import Given, find, sentence, unplaced
from .wanted import Wanted, as_list, bounds, wanted_of

SECRETS = frozenset({"aiohttp_proxy", "aiohttp_ops_token"})
"""The settings whose values nobody may see."""

SHORTEST_TOKEN = 8
"""Characters that ``aiohttp_ops_token`` has at least."""

HIGHEST_PORT = 65535

_NO_UNIT = "max_inflight"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a setting.

    Attributes:
        text: What is wrong, such as "is not a number".
        example: Makes a value that works from the wrong one; None if nothing can be advised so.
        advice: What to do, where no example can say it.
        hides_value: Whether the value says nothing, or more than may be seen.
    """

    text: str
    example: Callable[[Any], Any] | None = None
    advice: str = ""
    hides_value: bool = False

    def line(self, name: str, value: Any, files: Collection[str] | None) -> str:
        """Say in one line what is wrong and what to write instead.

        Args:
            name: The setting.
            value: Its value.
            files: The dotenv files in which it may stand; None if it comes from code.
        """
        given = _given(name, value, files)
        advice = self.advice
        if self.example is not None:
            advice = f"write {given.written(self.example(given.value))}"
        is_secret = self.hides_value or name in SECRETS
        return sentence(given, self.text, advice, is_secret=is_secret)


def _given(name: str, value: Any, files: Collection[str] | None) -> Given:
    """Find where a setting stands; a value that came from elsewhere stands nowhere."""
    found = None if files is None else find([name], files)
    if found is not None and _is_text_of(found.value, value):
        return found
    return unplaced(name, value)


def _is_text_of(text: str, value: Any) -> bool:
    if isinstance(value, str):
        return text.strip() == value.strip()
    try:
        return text == str(value) or bool(json.loads(text) == value)
    except ValueError:
        return False


def not_wanted(name: str, annotation: Any, field: Any) -> Problem:
    """Say what a setting must be.

    Args:
        name: Its name, without prefix.
        annotation: Its type.
        field: Its field, of pydantic 1 or 2.
    """
    if name == "ops_token":
        # An example would be a token that others know.
        return WRONG_TOKEN
    wanted = _WANTED.get(name)
    if wanted is None:
        unit = "bytes" if name.endswith(("_size", "_memory")) else "seconds"
        unit = "" if name == _NO_UNIT else unit
        wanted = wanted_of(annotation, field.default, bounds(field), unit)
    assert wanted is not None, name
    or_none = ", or none" if type(None) in get_args(annotation) else ""
    return Problem(f"is not {wanted.what}{or_none}", wanted.example)


def wrong_proxy(text: str, *, has_extra: bool) -> Problem:
    """Say what is wrong with the URL of a proxy."""
    if has_extra:
        return Problem(text, _example_of_proxy)
    return Problem(f"cannot be used, because {text}")


_PORTS = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?", re.ASCII)


def ports_of(text: str) -> range | None:
    """Read a port, or a range of ports such as ``9100-9107``; None if it is neither."""
    found = _PORTS.fullmatch(text)
    if found is None:
        return None
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last > HIGHEST_PORT or last < first or (found[2] is not None and first == 0):
        return None
    return range(first, last + 1)


_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE)


def is_host_name(text: str) -> bool:
    """Tell whether a text is a host name, without a scheme and a port."""
    return _HOST_NAME.fullmatch(text) is not None


def _host_names(value: Any) -> list[str]:
    """Make the list of host names that was probably meant."""
    found = []
    for text in as_list(value):
        try:
            url = URL(text if "://" in text else f"https://{text}")
        except ValueError:
            continue
        if url.host and is_host_name(url.host):
            found.append(url.host)
    return found or ["status.example.org"]


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin exactly as browsers send it: it is compared as text."""
    try:
        url = URL(text)
        has_default_port = url.explicit_port is not None and url.is_default_port()
        return text == str(url.origin()) and not has_default_port
    except ValueError:
        return False


def _origins(value: Any) -> list[str]:
    """Make the list of origins that was probably meant."""
    found = dict.fromkeys(filter(None, map(_origin_of, as_list(value))))
    return [*found] or ["https://example.org"]


def _origin_of(text: str) -> str | None:
    try:
        url = URL(text if "://" in text else f"https://{text}")
        origin = url.with_port(None) if url.is_default_port() else url
        found = str(origin.origin())
    except ValueError:
        return None
    return found if is_origin(found) else None


def _example_of_proxy(value: Any) -> str:
    return "http://127.0.0.1:7890"


def _example_of_mode(value: Any) -> str:
    return "0660"


_A_PATH = Wanted("the path of a PEM file", lambda value: "/etc/ssl/bot.pem")
_WANTED = {
    "allowed_origins": Wanted("a list of origins in JSON", _origins),
    "proxy": Wanted("a URL", _example_of_proxy),
    "socket_mode": Wanted("octal digits, as for chmod", _example_of_mode),
    "ops_host": Wanted("a host name or an address", lambda value: "127.0.0.1"),
    "ops_names": Wanted("a list of host names in JSON", _host_names),
    "ops_port": Wanted("a port, or a range of ports", lambda value: "9100-9107"),
    "ssl_certfile": _A_PATH,
    "ssl_keyfile": _A_PATH,
    "ssl_cafile": _A_PATH,
}

UNKNOWN = Problem("is unknown", hides_value=True)
NO_FILE = Problem(
    "is not a file that can be read", advice="write the whole path of a PEM file that exists"
)
WRONG_TOKEN = Problem(
    f"must be text of {SHORTEST_TOKEN} characters or more",
    advice="write what this prints: python -c 'import secrets; print(secrets.token_urlsafe())'",
    hides_value=True,
)
NO_CERTIFICATE = Problem(
    "needs the certificate, too", advice="write AIOHTTP_SSL_CERTFILE with the path of its PEM file"
)
WRONG_ORIGIN = Problem(
    "is not a list of origins, which have a scheme, a host and nothing else", _origins
)
