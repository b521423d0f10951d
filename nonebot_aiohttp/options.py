"""``DriverOptions``: every ``aiohttp_*`` setting, typed, validated and documented in one place.

It works with pydantic 1.8 and 2, so it uses only features that both have: fields with bounds, and
class keywords for the configuration of the model.
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

SOCKS_MISSING = 'a SOCKS proxy needs the extra: pip install "nonebot-aiohttp[socks]"'

# The proxy resolves all names, whatever the scheme says, because local DNS answers are forged where
# many of the users live. Desktops write socks:// into ALL_PROXY.
_PROXY_SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",
}

SOCKS_PORT = 1080
"""Port of a SOCKS proxy if its URL has no port (RFC 1928, section 3)."""

URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class DriverOptions(BaseModel, frozen=True, extra="forbid"):
    """The settings of the driver, immutable; each is ``aiohttp_{name}`` in the configuration.

    Attributes:
        max_body_size: Largest body of a webhook and of a poll's answer, in bytes.
        max_body_memory: Bytes that the unfinished bodies of all webhooks may hold together. Bodies
            of up to 64 KiB are accepted until the sum is twice this limit.
        max_header_size: Longest line of a request's head in the driver's own process, in bytes.
        body_timeout: Seconds within which the body of a webhook must arrive.
        max_message_size: Largest WebSocket message in either direction, in bytes; 0 means no limit.
        heartbeat: Seconds between pings on WebSockets of both sides. The pong must come within half
            of that. None turns pings off.
        duplicate_bot: What happens to a second connection with the same bot id. ``"probe"`` pings
            the old connection and replaces it if it is silent, ``"replace"`` closes the old one,
            ``"reject"`` refuses the new one.
        probe_timeout: Seconds within which the old connection must answer the probe. While it is
            sending a long message it cannot answer, and counts as alive if more of it arrives.
        compress: Whether WebSockets offer and accept permessage-deflate.
        allowed_origins: Origins whose browser pages may connect; ``"*"`` allows all.
        max_inflight: Webhooks that may be in flight at once; more are answered with 503. Also the
            handlers of one WebSocket that may run at once; with more, it is closed with 1013.
        keepalive_timeout: Seconds after which an idle connection is closed, and a connection whose
            peer does not read what was sent. With aiohttp 3.14.4 or newer also a new connection
            that does not finish its headers.
        handshake_timeout: Seconds for TCP, TLS and the upgrade of a forward WebSocket, and for the
            TLS handshake of clients of the driver's own process.
        poll_timeout: Seconds for one poll; longer than the usual long poll of 60.
        close_timeout: Seconds for a closing handshake. During the stop: for all peers together, and
            the least time that hooks have.
        backoff_max: Seconds up to which the delay between attempts grows.
        stable_after: Seconds that a connection must stay up before the delay starts again from its
            beginning.
        drain_timeout: Seconds that events in flight have during the stop.
        forward: Whether polling and forward WebSockets run in this process.
        proxy: URL of the proxy for everything outbound; None uses the environment's proxies.
        fastapi: Whether ``nonebot.get_app()`` is a FastAPI application under NoneBot2, served
            behind the bot's own paths. This needs the extra ``fastapi``.
        socket_mode: Mode of the Unix socket of ``run(path=...)``, in octal digits as for chmod.
        loop: Event loop of ``run()``: ``"uvloop"``, ``"asyncio"``, or ``"auto"``, which is uvloop
            if it is installed.
        access_log: Whether each request is logged.
        ssl_certfile: PEM file of the certificate (chain) to serve TLS with; None serves plain text.
        ssl_keyfile: PEM file of the certificate's key; None if the key is in ``ssl_certfile``.
        ssl_cafile: PEM file of a CA to trust for outbound connections, besides the system's CAs.
    """

    # typing.Optional rather than X | None, because pydantic 1.8 evaluates the annotations.

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
        """Read the settings of a configuration object.

        Args:
            config: Any object with attributes. Those that begin with ``aiohttp_`` are settings; an
                unknown one is logged and ignored.
            **defaults: Defaults that replace the documented ones, by name without prefix.

        Raises:
            ValidationError: A setting has a wrong value. The error names the setting, and does not
                show the value, which may hold a password.
        """
        given = dict(defaults)
        for name, value in _prefixed(config):
            if name in _field_names():
                # NoneBot reads digits in a dotenv file as a number.
                is_digits = name == "socket_mode" and isinstance(value, int)
                given[name] = str(value) if is_digits else _none_or(value)
            else:
                _warn_unknown(name)
        return cls.parse(given)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> DriverOptions:
        """Validate settings that are given by their names without prefix.

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
        # Without the proxy's URL, which may hold a password.
        return [(name, value) for name, value in self if name != "proxy"]

    def replaced(self, **changes: Any) -> DriverOptions:
        """Return a copy with other values for the settings that are named, without prefix.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        return self.parse({**dict(self), **changes})

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of setting and text for the rules that a field's own bounds cannot state."""
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
        if self.proxy is not None and (problem := proxy_problem(self.proxy)):
            yield PREFIX + "proxy", problem
        if not _MODE.fullmatch(self.socket_mode):
            yield PREFIX + "socket_mode", 'must be octal digits such as "0660"'
        for origin in self.allowed_origins:
            if origin != "*" and not _is_origin(origin):
                yield PREFIX + "allowed_origins", 'must hold origins such as "https://example.org"'


def _field_names() -> Mapping[str, Any]:
    # pydantic 1 and 2 name their tables of fields differently, but both keep the annotations.
    return DriverOptions.__annotations__


def _prefixed(config: Any) -> list[tuple[str, Any]]:
    """List the settings of a configuration object, their names lowercased and without prefix."""
    # pydantic 2 keeps unknown keys of the configuration apart from its fields.
    names = {*dir(config), *(getattr(config, "__pydantic_extra__", None) or {})}
    return [
        (name[len(PREFIX) :].lower(), getattr(config, name))
        for name in sorted(names)
        if name.lower().startswith(PREFIX)
    ]


def _none_or(value: Any) -> Any:
    """Read the words that stand for None in an environment variable."""
    if isinstance(value, str) and value.strip().lower() in ("", "none", "null"):
        return None
    return value


def _warn_unknown(name: str) -> None:
    close = get_close_matches(name, _field_names(), n=1)
    hint = f"; did you mean {PREFIX}{close[0]}?" if close else ""
    logger.warning("The setting {} is unknown and ignored{}", PREFIX + name, hint)


def _is_origin(text: str) -> bool:
    """Tell whether a text is an origin exactly as browsers send it: it is compared as text."""
    try:
        url = URL(text)
        has_default_port = url.explicit_port is not None and url.is_default_port()
        return text == str(url.origin()) and not has_default_port
    except ValueError:
        return False


def read_proxy(text: str) -> URL:
    """Read the URL of a proxy, from a setting, from the environment or from a request.

    Args:
        text: The URL. Without a scheme it is an ``http`` URL, as in curl and httpx.

    Returns:
        A URL with a host, a port, and the scheme ``http``, ``https`` or ``socks5``.

    Raises:
        ValueError: The text is not such a URL. The error does not show it, because it may hold a
            password.
    """
    text = text.strip()
    try:
        url = URL(text if URL_SCHEME.match(text) else f"http://{text}")
        port = url.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if url.scheme not in _PROXY_SCHEMES or not url.host:
        raise ValueError("must be a URL of http, https, socks5 or socks5h")
    url = url.with_scheme(_PROXY_SCHEMES[url.scheme])
    return url.with_port(SOCKS_PORT) if port is None else url


def proxy_problem(text: str) -> str | None:
    """Say why a proxy cannot be used, without showing its URL; None if it can."""
    try:
        proxy = read_proxy(text)
    except ValueError as error:
        return str(error)
    return SOCKS_MISSING if is_socks(proxy) and not HAS_SOCKS else None


def is_socks(proxy: URL) -> bool:
    """Tell whether a proxy that ``read_proxy`` has read speaks SOCKS."""
    return proxy.scheme == "socks5"
