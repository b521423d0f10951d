"""``DriverOptions``: every ``aiohttp_*`` setting, typed, validated and documented in one place.

Works under pydantic 1.8 as well as 2, so it uses only what both have: fields with bounds, and class
keywords for the configuration of the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Optional

import pydantic
from pydantic import BaseModel, Field
from yarl import URL

from .exceptions import ValidationError
from .log import logger

_MODE = re.compile("0?[0-7]{3}")

PREFIX = "aiohttp_"
MIB = 1024 * 1024

HAS_SOCKS = find_spec("aiohttp_socks") is not None
"""Whether the extra ``socks`` is installed."""

SOCKS_MISSING = "a SOCKS proxy needs the extra: pip install nonebot-aiohttp[socks]"

# At the proxy all names are resolved, whatever the scheme says: they are poisoned where many of
# the users live. Desktops write socks:// into ALL_PROXY.
_PROXY_SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",
}

SOCKS_PORT = 1080
"""Port of a SOCKS proxy whose URL has no port (RFC 1928, section 3)."""

URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# typing.Optional rather than the new notation: pydantic 1.8 evaluates the annotations.


class DriverOptions(BaseModel, frozen=True, extra="forbid"):
    """The settings of the driver, immutable; each is ``aiohttp_{name}`` in the configuration.

    Attributes:
        max_body_size: Bytes that the body of a webhook, and of a poll's answer, may have.
        max_body_memory: Bytes that all bodies of webhooks may hold together which have not arrived
            as a whole; those of up to 64 KiB pass until it is twice as much.
        max_header_size: Bytes that a line of a request's head may have, in the own process.
        body_timeout: Seconds within which the body of a webhook has to arrive.
        max_message_size: Bytes that a WebSocket message may have, both directions; 0 is no limit.
        heartbeat: Seconds between pings on WebSockets, both sides; the answer has half of that.
            None turns it off.
        duplicate_bot: What a second connection of one bot's id meets: ``"probe"`` pings the old
            one and replaces it when it is silent, ``"replace"`` and ``"reject"`` do not ask.
        probe_timeout: Seconds that the old connection has to answer the probe. One that is in the
            middle of sending a message cannot, and is alive if any of it arrives meanwhile.
        compress: Whether WebSockets offer and accept permessage-deflate.
        allowed_origins: Browsers' origins that may connect; ``"*"`` is all.
        max_inflight: Webhooks that may be in work at once; more are answered 503. And handlers of
            one WebSocket that may run at once; then it is closed with 1013.
        keepalive_timeout: Seconds for which an idle connection is kept, and one whose peer does not
            take what was sent; and, with aiohttp 3.14.4 or newer, a new one that never finishes
            its headers.
        handshake_timeout: Seconds for TCP, TLS and upgrade of a forward WebSocket; and for the TLS
            handshake of clients of the own process.
        poll_timeout: Seconds for one poll; longer than the usual long poll of 60.
        close_timeout: Seconds for a closing handshake; at the stop, for all peers together, and the
            least that hooks have.
        backoff_max: Seconds that the delay between attempts grows to.
        stable_after: Seconds that a connection has to be up before the delay starts anew.
        drain_timeout: Seconds that events in flight get at the stop.
        forward: Whether polling and forward WebSockets run in this process.
        proxy: URL of the proxy for everything outbound; None takes the environment's.
        fastapi: Whether, under NoneBot2, ``nonebot.get_app()`` is a FastAPI application, served
            behind the bot's own paths; needs the extra ``fastapi``.
        socket_mode: Mode of the Unix socket of ``run(path=...)``, in octal digits as for chmod.
        loop: ``"auto"`` is uvloop where it is installed; or ``"uvloop"``, ``"asyncio"``.
        access_log: Whether each request is logged.
        ssl_certfile: PEM file of the certificate (chain) to serve TLS with; None serves plain.
        ssl_keyfile: PEM file of its key; None when it is in ``ssl_certfile``.
        ssl_cafile: PEM file of a CA to trust outbound, besides the system's.
    """

    max_body_size: int = Field(default=32 * MIB, gt=0)
    max_body_memory: int = Field(default=256 * MIB, gt=0)
    max_header_size: int = Field(default=16 * 1024, gt=0)
    body_timeout: float = Field(default=30.0, gt=0)
    max_message_size: int = Field(default=64 * MIB, ge=0)
    heartbeat: Optional[float] = Field(default=30.0, gt=0)
    duplicate_bot: Literal["probe", "replace", "reject"] = "probe"
    probe_timeout: float = Field(default=5.0, gt=0)
    compress: bool = False
    allowed_origins: frozenset[str] = frozenset()
    max_inflight: int = Field(default=10_000, gt=0)
    keepalive_timeout: float = Field(default=75.0, gt=0)
    handshake_timeout: float = Field(default=10.0, gt=0)
    poll_timeout: float = Field(default=65.0, gt=0)
    close_timeout: float = Field(default=5.0, gt=0)
    backoff_max: float = Field(default=60.0, gt=0)
    stable_after: float = Field(default=30.0, ge=0)
    drain_timeout: float = Field(default=20.0, ge=0)
    forward: bool = True
    proxy: Optional[str] = None
    fastapi: bool = False
    socket_mode: str = "0666"
    loop: Literal["auto", "uvloop", "asyncio"] = "auto"
    access_log: bool = False
    ssl_certfile: Optional[Path] = None
    ssl_keyfile: Optional[Path] = None
    ssl_cafile: Optional[Path] = None

    @classmethod
    def from_config(cls, config: Any, **defaults: Any) -> DriverOptions:
        """Read the settings that a configuration object has.

        Args:
            config: Any object with attributes; those that begin with ``aiohttp_`` count.
            **defaults: Other defaults than the documented ones, by name without prefix.

        Returns:
            The options.

        Raises:
            ValidationError: A setting has a wrong value; the error names it, and never shows
                the value, which may hold a password.
        """
        given = dict(defaults)
        for name, value in _prefixed(config):
            if name in _field_names():
                # NoneBot reads the digits of a dotenv file as a number where it can.
                is_digits = name == "socket_mode" and isinstance(value, int)
                given[name] = str(value) if is_digits else _none_or(value)
            else:
                _warn_unknown(name)
        return cls.parse(given)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> DriverOptions:
        """Validate settings that are given by their names without prefix.

        Args:
            values: The settings.

        Returns:
            The options.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        try:
            options = cls(**values)
        except pydantic.ValidationError as error:
            problems = {PREFIX + str(item["loc"][0]): item["msg"] for item in error.errors()}
            raise ValidationError(problems) from None
        problems = dict(options._problems())
        if problems:
            raise ValidationError(problems)
        return options

    def __repr_args__(self) -> list[tuple[str, Any]]:
        # Not the proxy's URL, which may hold a password.
        return [(name, value) for name, value in self if name != "proxy"]

    def replaced(self, **changes: Any) -> DriverOptions:
        """Make options with some other values.

        Args:
            **changes: The new values, by name without prefix.

        Returns:
            The options.
        """
        return self.parse({**dict(self), **changes})

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Yield what no bound of a single field can say, as pairs of setting and text."""
        for name in _field_names():
            value = getattr(self, name)
            if isinstance(value, float) and math.isinf(value):
                yield PREFIX + name, "must be finite"
        for name in ("ssl_certfile", "ssl_keyfile", "ssl_cafile"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                yield PREFIX + name, "is not a file that can be read"
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            yield PREFIX + "ssl_keyfile", "needs aiohttp_ssl_certfile"
        if self.proxy is not None:
            yield from ((PREFIX + "proxy", text) for text in problems_of_proxy(self.proxy))
        if not _MODE.fullmatch(self.socket_mode):
            yield PREFIX + "socket_mode", 'must be octal digits such as "0660"'
        for origin in self.allowed_origins:
            if origin != "*" and not _is_origin(origin):
                yield PREFIX + "allowed_origins", 'must hold origins such as "https://example.org"'


def _field_names() -> Mapping[str, Any]:
    # pydantic 1 and 2 both keep the annotations; their tables of fields have different names.
    return DriverOptions.__annotations__


def _prefixed(config: Any) -> list[tuple[str, Any]]:
    """List what a configuration object has under the prefix, without it, names lowercased."""
    # pydantic 2 keeps unknown keys of the configuration apart from its fields.
    names = {*dir(config), *(getattr(config, "__pydantic_extra__", None) or {})}
    return [
        (name[len(PREFIX) :].lower(), getattr(config, name))
        for name in sorted(names)
        if name.lower().startswith(PREFIX)
    ]


def _none_or(value: Any) -> Any:
    """Read the words that an environment variable can spell None with."""
    if isinstance(value, str) and value.strip().lower() in ("", "none", "null"):
        return None
    return value


def _warn_unknown(name: str) -> None:
    close = get_close_matches(name, _field_names(), n=1)
    hint = f"; did you mean {PREFIX}{close[0]}?" if close else ""
    logger.warning("The setting {} is unknown and ignored{}", PREFIX + name, hint)


def _is_origin(text: str) -> bool:
    """Tell whether a text is an origin just as browsers send it, for it is compared as text."""
    try:
        url = URL(text)
        has_default_port = url.explicit_port is not None and url.is_default_port()
        return text == str(url.origin()) and not has_default_port
    except ValueError:
        return False


def read_proxy(text: str) -> URL:
    """Read the URL of a proxy.

    Args:
        text: The URL; one without scheme is one of ``http``, as curl and httpx have it.

    Returns:
        The URL, its scheme ``http``, ``https`` or ``socks5``, its host in place.

    Raises:
        ValueError: The text is not such a URL. The error does not show it.
    """
    text = text.strip()
    try:
        url = URL(text if URL_SCHEME.match(text) else f"http://{text}")
        port = url.port
    except ValueError:
        raise ValueError("is no URL of a proxy") from None
    if url.scheme not in _PROXY_SCHEMES or not url.host:
        raise ValueError("must be a URL of http, https, socks5 or socks5h")
    url = url.with_scheme(_PROXY_SCHEMES[url.scheme])
    return url.with_port(SOCKS_PORT) if port is None else url


def problems_of_proxy(text: str) -> Iterator[str]:
    """Yield what is wrong with the URL of a proxy, without showing it, for it may hold a password.

    Args:
        text: The URL.
    """
    try:
        proxy = read_proxy(text)
    except ValueError as error:
        yield str(error)
    else:
        if is_socks(proxy) and not HAS_SOCKS:
            yield SOCKS_MISSING


def is_socks(proxy: URL) -> bool:
    """Tell whether a proxy speaks SOCKS."""
    return proxy.scheme == "socks5"
