"""What a forward setup must be: checked where it is given, at the start, before each attempt."""

from __future__ import annotations

import dataclasses
import inspect
import ipaddress
import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from yarl import URL

from ..adapters import Bot
from ..connections.schemes import HTTP_SCHEMES, WEBSOCKET_SCHEMES, http_scheme, websocket_scheme
from ..drivers import HTTPPollingSetup, WebSocketSetup
from ..exceptions import SetupError
from ..log import loggable, redact_url
from ..registration import signature_of, type_name

_BREAKS = frozenset("\r\n\0")
"""Characters that no header may hold; aiohttp refuses to send them."""

# A mistyped scheme, or none. What follows it is the host.
_BEGINNING = re.compile(r"(?:(wss?|https?)(?::/*|//+)(?!\d+(?:/|$))|//)", re.IGNORECASE)

_OTHER_SCHEME = re.compile(r"[a-z][a-z\d+.-]*://", re.IGNORECASE)

# In doubt a text counts as a secret: a token must not be shown because it has dots or a colon.
_LONGEST_LABEL = 24
_LABEL = re.compile(r"[a-z\d]+(?:-+[a-z\d]+)*")
_LAST_LABEL = re.compile(r"[a-z]{2,12}|xn--[a-z\d-]+")
_SINGLE_LABEL = re.compile(r"(?=.{1,16}$)[a-z]+(?:[-_][a-z]+)*\d{0,2}")


@dataclasses.dataclass(frozen=True)
class SetupKind:
    """One of the two kinds of setups.

    Attributes:
        made: The class of the setups; any object with its attributes will do.
        adder: The method of a driver that takes them.
        schemes: The schemes that the URL may have.
        offered: The scheme that an error suggests for a URL without a scheme.
    """

    made: type[Any]
    adder: str
    schemes: frozenset[str]
    offered: str

    @property
    def noun(self) -> str:
        """The class's name with its article."""
        return f"{'an' if self.made is HTTPPollingSetup else 'a'} {self.made.__name__}"

    @property
    def example(self) -> str:
        """A URL that would do."""
        return f"{self.offered}://127.0.0.1:6700/"

    def missing(self, setup: object) -> list[str]:
        """List the attributes that an object lacks."""
        names = [each.name for each in dataclasses.fields(self.made)]
        return [name for name in names if not hasattr(setup, name)]


POLLING = SetupKind(HTTPPollingSetup, "setup_http_polling", HTTP_SCHEMES, "http")
WEBSOCKET = SetupKind(WebSocketSetup, "setup_websocket", WEBSOCKET_SCHEMES | HTTP_SCHEMES, "ws")


def check_given(setup: Any, kind: SetupKind) -> None:
    """Check what was given to ``setup_websocket`` or ``setup_http_polling``, as far as it shows.

    Raises:
        SetupError: It is neither a setup of this kind, nor a function that could make one.
    """
    if inspect.iscoroutine(setup):
        name = _short(setup)
        # Nobody will await it, and Python would warn of that.
        setup.close()
        raise SetupError(
            f"{kind.adder}() calls the function itself before each attempt: pass {name}, not"
            f" {name}()"
        )
    if inspect.isawaitable(setup):
        raise SetupError(
            f"{kind.adder}() calls a function before each attempt: pass the function, not a"
            f" {type(setup).__name__} of its result"
        )
    if callable(setup):
        _check_function(setup, kind)
    else:
        check_fields(setup, kind)


def _check_function(function: Any, kind: SetupKind) -> None:
    """Check that a function, or a class, can be called without arguments."""
    signature = signature_of(function)
    if signature is None:
        return
    variadic = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    needed = [
        each.name
        for each in signature.parameters.values()
        if each.default is inspect.Parameter.empty and each.kind not in variadic
    ]
    if not needed:
        return
    if inspect.isclass(function):
        raise SetupError(
            f"{kind.adder}() takes {kind.noun}, not the class"
            f" {_short(function)}: pass {_short(function)}(...)"
        )
    raise SetupError(
        f"{kind.adder}() calls {_short(function)} without arguments, and it needs"
        f" {', '.join(needed)}: give them by functools.partial"
    )


def _short(named: Any) -> str:
    name = getattr(named, "__qualname__", None) or type(named).__qualname__
    return str(name).rpartition("<locals>.")[2]


def check_fields(setup: Any, kind: SetupKind) -> None:
    """Check that an object has the attributes of a setup of this kind.

    Raises:
        SetupError: It lacks some.
    """
    missing = kind.missing(setup)
    if not missing:
        return
    given = type(setup).__name__
    other = WEBSOCKET if kind is POLLING else POLLING
    if not other.missing(setup):
        raise SetupError(
            f"{kind.adder}() takes {kind.noun}, not {given}: give it to {other.adder}()"
        )
    if len(missing) == len(dataclasses.fields(kind.made)):
        raise SetupError(
            f"{kind.adder}() takes {kind.noun} or a function that makes one, not {given}"
        )
    raise SetupError(f"{kind.adder}() takes {kind.noun}, and {given} lacks {', '.join(missing)}")


def check_self_id(self_id: Any) -> None:
    """Check that the id of a setup is text, as the keys of ``driver.bots`` are.

    Raises:
        SetupError: It is not.
    """
    if not isinstance(self_id, str):
        raise SetupError(f"its self_id must be text, not {type_name(self_id)}: write str(...)")


def check_body(body: Any) -> None:
    """Check that the body of a poll can be sent.

    Raises:
        SetupError: It is neither bytes nor text.
    """
    if body is not None and not isinstance(body, (bytes, bytearray, memoryview, str)):
        raise SetupError(
            f"its body must be bytes, not {type_name(body)}: json.dumps(...).encode() makes them"
        )


def find_adapter(name: Any, adapters: Mapping[str, type[Bot]]) -> type[Bot]:
    """Find the adapter that a setup names.

    Raises:
        SetupError: No such adapter is registered.
    """
    if not isinstance(name, str):
        raise SetupError(f"its adapter must be the name of one, not {type_name(name)}")
    adapter = adapters.get(name)
    if adapter is not None:
        return adapter
    # A URL with its token may stand in its place.
    name = loggable(name)
    text = f"no adapter {name!r} is registered"
    if close := get_close_matches(name, adapters, n=1):
        raise SetupError(f"{text}; did you mean {close[0]!r}?")
    if adapters:
        raise SetupError(f"{text}, only {', '.join(map(repr, adapters))}")
    raise SetupError(f"{text}: call driver.register_adapter({name!r}, ...) before the start")


def read_url(text: Any, kind: SetupKind) -> URL:
    """Read the URL of a setup.

    Raises:
        SetupError: It is not an absolute URL of this kind; the error shows no secret of it.
    """
    if not isinstance(text, (str, URL)):
        raise SetupError(f"its URL must be a text such as {kind.example}, not {type_name(text)}")
    try:
        url = URL(text)
    except ValueError:
        url = None
    if url is not None and url.scheme in kind.schemes and url.host:
        return url
    text, scheme = str(text).strip(), kind.offered
    # No point may follow a scheme: the log would take it for a URL that it has to hide.
    if meant := _meant(text, kind):
        is_absolute = url is not None and url.scheme and url.raw_host
        shown = redact_url(text) if is_absolute else meant.partition("://")[2]
        raise SetupError(
            f"its URL {shown} must have {scheme}:// or {scheme}s:// before the host; did you mean"
            f" {meant}?"
        )
    if url is None:
        raise SetupError(f"its URL cannot be parsed; it must look like {kind.example}")
    if not text:
        raise SetupError(f"its URL is empty; it must look like {kind.example}")
    if url.scheme and url.raw_host:
        raise SetupError(
            f"its URL {redact_url(url)} must have {scheme}:// or {scheme}s:// before the host"
        )
    raise SetupError(
        f"its URL must have {scheme}:// or {scheme}s:// before the host; it must look like"
        f" {kind.example}"
    )


def _meant(text: str, kind: SetupKind) -> str | None:
    """Guess what is meant by a URL whose scheme is missing or wrong, without its secrets."""
    beginning = _BEGINNING.match(text)
    if beginning is None and _OTHER_SCHEME.match(text):
        return None
    scheme = kind.offered
    if beginning is not None and beginning[1]:
        adapt = http_scheme if kind is POLLING else websocket_scheme
        scheme = adapt(beginning[1].lower())
    rest = text[beginning.end() :] if beginning is not None else text
    try:
        url = URL(f"{scheme}://{rest}")
        host, port = url.raw_host, url.explicit_port
    except ValueError:
        return None
    if not host or not _is_surely_host(host, port):
        return None
    meant = redact_url(url)
    return meant if "/" in rest else meant.removesuffix("/")


def _is_surely_host(host: str, port: int | None) -> bool:
    """Tell whether a text is the name of a host rather than a token."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        *others, last = host.split(".")
        if others:
            are_short = all(len(each) <= _LONGEST_LABEL for each in others)
            are_labels = all(map(_LABEL.fullmatch, others))
            return are_short and are_labels and _LAST_LABEL.fullmatch(last) is not None
        is_plain = _SINGLE_LABEL.fullmatch(host) is not None
        return host == "localhost" or (is_plain and port is not None)
    return True


def seconds_of(setup: Any, name: str) -> float:
    """Read a field of a setup that holds seconds.

    Raises:
        SetupError: The field does not hold a finite number.
    """
    try:
        seconds = float(getattr(setup, name))
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise SetupError(f"its {name} must be a number of seconds")
    return seconds


def check_headers(headers: Any) -> None:
    """Check that the headers of a setup can be sent; aiohttp finds out only when it sends them.

    Raises:
        SetupError: The headers are not a mapping of texts.
    """
    try:
        parts = [part for pair in (headers or {}).items() for part in pair]
    except (AttributeError, TypeError):
        raise SetupError("its headers must be a mapping of names to values") from None
    if not all(isinstance(part, str) and not _BREAKS.intersection(part) for part in parts):
        raise SetupError("its headers must be texts without line breaks")
