"""``DriverOptions``: every ``aiohttp_*`` setting, typed, validated and documented in one place.

It works with pydantic 1.8 and 2, so it uses only features that both have: fields with bounds, and
class keywords for the configuration of the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Optional, get_type_hints

import pydantic
from pydantic import BaseModel, Field

from .exceptions import ValidationError
from .log.own import logger
from .settings.driver import (
    NO_CERTIFICATE,
    NO_FILE,
    SECRETS,
    SHORTEST_TOKEN,
    UNKNOWN,
    WRONG_ORIGIN,
    WRONG_TOKEN,
    Problem,
    is_host_name,
    is_origin,
    not_wanted,
    ports_of,
    wrong_proxy,
)
from .settings.places import env_files

# What is named again here was public in this module before it moved.
from .settings.proxy import HAS_SOCKS as HAS_SOCKS
from .settings.proxy import SOCKS_MISSING, proxy_problem
from .settings.proxy import SOCKS_PORT as SOCKS_PORT
from .settings.proxy import URL_SCHEME as URL_SCHEME
from .settings.proxy import is_socks as is_socks
from .settings.proxy import read_proxy as read_proxy

# Their values may be digits alone.
_TEXTS = ("socket_mode", "ops_port", "ops_token")

_MODE = re.compile("0?[0-7]{3}")

PREFIX = "aiohttp_"
MIB = 1024 * 1024


class DriverOptions(BaseModel, frozen=True, extra="forbid"):
    """The settings of the driver, immutable; each is ``aiohttp_{name}`` in the configuration.

    Each field's description says what it means; the page "Settings" shows them all.
    """

    # typing.Optional rather than X | None, because pydantic 1.8 evaluates the annotations.

    max_body_size: int = Field(
        default=32 * MIB,
        gt=0,
        description="Largest body of a webhook, in bytes (GitHub sends up to 25 MB). A larger one"
        " is answered with 413. Also the largest answer to a poll.",
    )
    max_body_memory: int = Field(
        default=256 * MIB,
        gt=0,
        description="Memory of all unfinished bodies of webhooks together, in bytes. Beyond it the"
        " answer is 503 with `Retry-After`; bodies of up to 64 KiB are accepted up to twice as"
        " much.",
    )
    max_header_size: int = Field(
        default=16 * 1024,
        gt=0,
        description="Longest request line and longest header in the driver's own process, in"
        " bytes.",
    )
    body_timeout: float = Field(
        default=30.0,
        gt=0,
        description="Seconds within which a webhook's body must arrive. Otherwise the answer is"
        " 408.",
    )
    max_message_size: int = Field(
        default=64 * MIB,
        ge=0,
        description="Largest WebSocket message in either direction, in bytes; 0 means no limit."
        " aiohttp before 3.14 refuses a larger frame only after it has arrived.",
    )
    heartbeat: Optional[float] = Field(
        default=30.0,
        gt=0,
        description="Seconds between pings on reverse and forward WebSockets. The pong must come"
        " within half of that. `none` turns pings off.",
    )
    duplicate_bot: Literal["probe", "replace", "reject"] = Field(
        default="probe",
        description="What happens to a second connection of a bot. `probe` pings the old connection"
        " and refuses the new one with 409 if the old one is alive, `replace` closes the old one,"
        " `reject` refuses the new one.",
    )
    probe_timeout: float = Field(
        default=5.0,
        gt=0,
        description="Seconds within which the old connection must answer the ping. One that is"
        " sending a message counts as alive.",
    )
    compress: bool = Field(
        default=False,
        description="Whether WebSockets offer and accept compression (permessage-deflate).",
    )
    allowed_origins: frozenset[str] = Field(
        default=frozenset(),
        description='Origins whose browser pages may connect, as `["https://example.org"]`;'
        ' `["*"]` allows all.',
    )
    max_inflight: int = Field(
        default=10_000,
        gt=0,
        description="Webhook handlers that may run at once. Beyond it the answer is 503 with"
        " `Retry-After`. Also the handlers of one WebSocket that may run at once; beyond it the"
        " WebSocket is closed with 1013.",
    )
    keepalive_timeout: float = Field(
        default=75.0,
        gt=0,
        description="Seconds after which an idle connection is closed, and one whose peer does not"
        " read the answers. With aiohttp 3.14.4 or newer also a new one that does not finish its"
        " headers.",
    )
    handshake_timeout: float = Field(
        default=10.0,
        gt=0,
        description="Seconds for TCP, TLS and the upgrade of a forward WebSocket. Also for the TLS"
        " handshake of clients of the driver's own process.",
    )
    poll_timeout: float = Field(
        default=65.0,
        gt=0,
        description="Seconds for one poll; must be longer than the platform's long poll.",
    )
    close_timeout: float = Field(
        default=5.0,
        gt=0,
        description="Seconds for a closing handshake. During the stop: for all peers together, and"
        " the least time that hooks have.",
    )
    backoff_max: float = Field(
        default=60.0, gt=0, description="Longest delay between attempts to connect, in seconds."
    )
    stable_after: float = Field(
        default=30.0,
        ge=0,
        description="Seconds for which a connection must stay up before the delay starts again from"
        " its beginning.",
    )
    drain_timeout: float = Field(
        default=20.0,
        ge=0,
        description="Seconds that the handlers in flight have during the stop.",
    )
    forward: bool = Field(
        default=True,
        description="Whether polling and forward WebSockets run in this process.",
    )
    proxy: Optional[str] = Field(
        default=None,
        description="URL of the proxy for everything outbound: http, https, socks5 or socks5h. With"
        " `none` the environment's proxies are used.",
    )
    fastapi: bool = Field(
        default=False,
        description="Under NoneBot2: whether `nonebot.get_app()` is a FastAPI application, served"
        " behind the bot's own paths. This needs the extra `fastapi`.",
    )
    socket_mode: str = Field(
        default="0666",
        description="Mode of the Unix socket of `run(path=...)`, in octal digits as for `chmod`.",
    )
    ops_port: Optional[str] = Field(
        default=None,
        description="Port on which operators find `/livez`, `/readyz`, `/status`, `/metrics` and"
        " the page; or a range such as `9100-9107`, whose first free port is taken. `none` listens"
        " nowhere.",
    )
    ops_host: str = Field(
        default="127.0.0.1", description="Host name or address on which that port listens."
    )
    ops_token: Optional[str] = Field(
        default=None,
        description="Token that operators have to show for everything but `/livez` and `/readyz`,"
        " as a bearer token or as the password of the basic scheme; 8 characters or more. With"
        " `none` only these two exist.",
    )
    ops_names: frozenset[str] = Field(
        default=frozenset(),
        description='Host names by which operators reach these pages, as `["status.example.org"]`;'
        " addresses and `localhost` are always allowed.",
    )
    loop: Literal["auto", "uvloop", "asyncio"] = Field(
        default="auto",
        description="Event loop of `run()`: `uvloop`, `asyncio`, or `auto`, which is uvloop if it"
        " is installed.",
    )
    access_log: bool = Field(
        default=False, description="Whether each request is logged in one line."
    )
    ssl_certfile: Optional[Path] = Field(
        default=None,
        description="PEM file of the certificate (chain) to serve TLS with. `none` serves plain"
        " text. When the file has changed, new connections get the new certificate within a"
        " minute.",
    )
    ssl_keyfile: Optional[Path] = Field(
        default=None,
        description="PEM file of the certificate's key; `none` if the certificate's file has it."
        " It is read again when one of both has changed.",
    )
    ssl_cafile: Optional[Path] = Field(
        default=None,
        description="PEM file of a CA to trust for outbound connections, besides the system's CAs.",
    )

    @classmethod
    def from_config(cls, config: Any, **defaults: Any) -> DriverOptions:
        """Read the settings of a configuration object.

        Args:
            config: Any object with attributes. Those that begin with ``aiohttp_`` are settings; an
                unknown one is logged and ignored, and one that is empty text counts as not set.
            **defaults: Defaults that replace the documented ones, by name without prefix.

        Raises:
            ValidationError: A setting has a wrong value. The error says where it stands, as far as
                that can be known, and what to write instead.
        """
        given = dict(defaults)
        for name, value in _prefixed(config):
            if name not in _field_names():
                _warn_unknown(name)
            elif not _is_empty(value):
                given[name] = _none_or(value)
        try:
            return cls._validated(given, env_files(getattr(config, "_env_file", None)))
        except ValidationError as error:
            # Without the lines of this module, which say nothing to the user.
            raise error.with_traceback(None) from None

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> DriverOptions:
        """Validate settings that are given by their names without prefix.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        return cls._validated(values, None)

    @classmethod
    def _validated(cls, values: Mapping[str, Any], files: Collection[str] | None) -> DriverOptions:
        """Validate settings; None as files means that they come from code alone."""
        # NoneBot reads digits in a dotenv file as a number.
        values = {n: str(v) if n in _TEXTS and _is_number(v) else v for n, v in values.items()}
        try:
            options = cls(**values)
        except pydantic.ValidationError as error:
            names = [str(item["loc"][0]) for item in error.errors()]
            wrong = {n: cls._not_wanted(n) if n in _field_names() else UNKNOWN for n in names}
        else:
            wrong = dict(options._problems())
            if not wrong:
                return options
        raise ValidationError(
            {PREFIX + name: problem.text for name, problem in wrong.items()},
            [
                problem.line(PREFIX + name, values.get(name), files)
                for name, problem in wrong.items()
            ],
        ) from None

    @classmethod
    def _not_wanted(cls, name: str) -> Problem:
        # pydantic 1 and 2 name their tables of fields differently.
        fields = getattr(cls, "model_fields", None) or vars(cls)["__fields__"]
        field = getattr(fields[name], "field_info", fields[name])
        return not_wanted(name, get_type_hints(cls)[name], field)

    def __repr_args__(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in self if PREFIX + name not in SECRETS]

    def replaced(self, **changes: Any) -> DriverOptions:
        """Return a copy with other values for the settings that are named, without prefix.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        return self.parse({**dict(self), **changes})

    def _problems(self) -> Iterator[tuple[str, Problem]]:
        """Yield pairs of setting and problem, by the rules that a field's bounds cannot state."""
        for name in _field_names():
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                yield name, self._not_wanted(name)
        for name in ("ssl_certfile", "ssl_keyfile", "ssl_cafile"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                yield name, NO_FILE
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            yield "ssl_keyfile", NO_CERTIFICATE
        if self.proxy is not None and (problem := proxy_problem(self.proxy)):
            yield "proxy", wrong_proxy(problem, has_extra=problem != SOCKS_MISSING)
        if not _MODE.fullmatch(self.socket_mode):
            yield "socket_mode", self._not_wanted("socket_mode")
        yield from self._operators_problems()
        if not all(origin == "*" or is_origin(origin) for origin in self.allowed_origins):
            yield "allowed_origins", WRONG_ORIGIN

    def _operators_problems(self) -> Iterator[tuple[str, Problem]]:
        if self.ops_port is not None and ports_of(self.ops_port) is None:
            yield "ops_port", self._not_wanted("ops_port")
        if self.ops_token is not None and len(self.ops_token) < SHORTEST_TOKEN:
            yield "ops_token", WRONG_TOKEN
        if not all(map(is_host_name, self.ops_names)):
            yield "ops_names", self._not_wanted("ops_names")


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


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _none_or(value: Any) -> Any:
    """Read the words that stand for None in an environment variable."""
    if isinstance(value, str) and value.strip().lower() in ("none", "null"):
        return None
    return value


def _is_empty(value: Any) -> bool:
    """Tell whether a setting counts as not set, as compose files leave it (``NAME=``)."""
    return isinstance(value, str) and not value.strip()


def _warn_unknown(name: str) -> None:
    close = get_close_matches(name, _field_names(), n=1)
    hint = f"; did you mean {PREFIX}{close[0]}?" if close else ""
    logger.warning("The setting {} is unknown and ignored{}", PREFIX + name, hint)
