"""The contract of NoneBot 2.0.0a16's ``nonebot.drivers``, without any I/O.

Adapters written for that API move over by changing their imports. Names, field orders, defaults and
abstractness are the contract's; what is concrete here is only what every driver has to do alike:
keep its adapters, its hooks and its connected bots, each driver instance for itself.
"""

from __future__ import annotations

import abc
import builtins
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .log import logger as package_logger

if TYPE_CHECKING:
    from .adapters import Bot
    from .config import Config, Env

__all__ = (
    "Driver",
    "ForwardDriver",
    "HTTPConnection",
    "HTTPPollingSetup",
    "HTTPRequest",
    "HTTPResponse",
    "ReverseDriver",
    "WebSocket",
    "WebSocketSetup",
)

T_BotConnectionHook = Callable[["Bot"], Awaitable[None]]
T_BotDisconnectionHook = Callable[["Bot"], Awaitable[None]]

_T = TypeVar("_T")
_BotHook = TypeVar("_BotHook", bound=Callable[..., Any])


class OrderedSet(MutableSet[_T]):
    """A set that keeps the order of insertion: hooks run in the order of their registration."""

    def __init__(self, items: Iterable[_T] = ()) -> None:
        """Take the first items, in their order."""
        self._items = dict.fromkeys(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: _T) -> None:
        """Add ``value`` behind the others, unless it is there."""
        self._items[value] = None

    def discard(self, value: _T) -> None:
        """Remove ``value`` if it is there."""
        self._items.pop(value, None)


class Driver(abc.ABC):
    """Base of all drivers: what talks to the network for the adapters.

    Attributes:
        env: Name of the environment, such as ``"prod"``.
        config: The configuration object; any object with attributes serves.
    """

    _adapters: dict[str, builtins.type[Bot]]
    _bot_connection_hook: set[T_BotConnectionHook]
    _bot_disconnection_hook: set[T_BotDisconnectionHook]
    env: str
    config: Config
    _clients: dict[str, Bot]

    def __init__(self, env: Env, config: Config) -> None:
        """Begin without adapters, hooks and bots.

        Args:
            env: The environment; its ``environment`` becomes ``driver.env``.
            config: The configuration.
        """
        self.env = env.environment
        self.config = config
        self._adapters = {}
        self._clients = {}
        # The contract annotates sets; these are sets that keep their order.
        self._bot_connection_hook = cast("set[T_BotConnectionHook]", OrderedSet())
        self._bot_disconnection_hook = cast("set[T_BotDisconnectionHook]", OrderedSet())

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} type={self.type!r} adapters={len(self._adapters)}"
            f" bots={len(self._clients)}>"
        )

    @property
    @abc.abstractmethod
    def type(self) -> str:
        """Name of the kind of driver."""

    @property
    @abc.abstractmethod
    def logger(self) -> Any:
        """The driver's logger."""

    @property
    def bots(self) -> dict[str, Bot]:
        """The bots that are connected now, by their id."""
        return self._clients

    def register_adapter(self, name: str, adapter: builtins.type[Bot], **kwargs: Any) -> None:
        """Register an adapter; a name that is taken keeps its first adapter.

        Args:
            name: The name by which connections find the adapter (``/{name}/ws``).
            adapter: The adapter's ``Bot`` class.
            **kwargs: Handed on to ``adapter.register``.
        """
        if name in self._adapters:
            package_logger.debug("Adapter {} is registered already; the first one stays", name)
            return
        self._adapters[name] = adapter
        try:
            adapter.register(self, self.config, **kwargs)
        except BaseException:
            del self._adapters[name]
            raise
        package_logger.debug("Registered adapter {}", name)

    @abc.abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Start the driver and block until it has stopped."""

    @abc.abstractmethod
    def on_startup(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Register a function that runs when the driver starts."""

    @abc.abstractmethod
    def on_shutdown(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Register a function that runs when the driver stops."""

    def on_bot_connect(self, func: _BotHook) -> _BotHook:
        """Register a function that runs with each bot that has connected.

        Args:
            func: ``func(bot)``, sync or async.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        self._bot_connection_hook.add(func)
        return func

    def on_bot_disconnect(self, func: _BotHook) -> _BotHook:
        """Register a function that runs with each bot that has disconnected.

        Args:
            func: ``func(bot)``, sync or async.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        self._bot_disconnection_hook.add(func)
        return func


class ForwardDriver(Driver):
    """Base of drivers that connect to a platform."""

    @abc.abstractmethod
    def setup_http_polling(
        self, setup: HTTPPollingSetup | Callable[[], Awaitable[HTTPPollingSetup]]
    ) -> None:
        """Register an HTTP polling connection.

        Args:
            setup: The setup, or a function that makes it and is called before every poll.
        """

    @abc.abstractmethod
    def setup_websocket(
        self, setup: WebSocketSetup | Callable[[], Awaitable[WebSocketSetup]]
    ) -> None:
        """Register a WebSocket connection.

        Args:
            setup: The setup, or a function that makes it and is called before every attempt.
        """


class ReverseDriver(Driver):
    """Base of drivers that a platform connects to."""

    @property
    @abc.abstractmethod
    def server_app(self) -> Any:
        """The server's application object."""

    @property
    @abc.abstractmethod
    def asgi(self) -> Any:
        """The driver as an ASGI application."""


@dataclass
class HTTPConnection(abc.ABC):
    """What the start of an HTTP request or a WebSocket says, after the ASGI connection scopes.

    Attributes:
        http_version: ``"1.0"``, ``"1.1"`` or ``"2"``.
        scheme: ``"http"`` or ``"https"``, ``"ws"`` or ``"wss"``.
        path: The target without its query, percent-encoding decoded, any prefix kept.
        query_string: What stood behind the ``?``, percent-encoded as it came.
        headers: Lowercased names; repeated ones joined in their order.
    """

    http_version: str
    scheme: str
    path: str
    query_string: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    @abc.abstractmethod
    def type(self) -> str:
        """Kind of the connection."""


@dataclass
class HTTPRequest(HTTPConnection):
    """One HTTP request.

    Attributes:
        method: The method, in capitals.
        body: The raw bytes of the body.
    """

    method: str = "GET"
    body: bytes = b""

    @property
    def type(self) -> str:
        """Always ``"http"``."""
        return "http"


@dataclass
class HTTPResponse:
    """One HTTP response.

    Attributes:
        status: The status code.
        body: The raw bytes of the body; None is an empty body.
        headers: Lowercased names; their order is kept.
    """

    status: int
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """Always ``"http"``."""
        return "http"


@dataclass
class WebSocket(HTTPConnection, abc.ABC):
    """One WebSocket connection."""

    @property
    def type(self) -> str:
        """Always ``"websocket"``."""
        return "websocket"

    @property
    @abc.abstractmethod
    def closed(self) -> bool:
        """Whether the connection has ended."""

    @abc.abstractmethod
    async def accept(self) -> Any:
        """Accept the connection."""

    @abc.abstractmethod
    async def close(self, code: int) -> Any:
        """Close the connection.

        Args:
            code: The close code (RFC 6455, section 7.4).
        """

    @abc.abstractmethod
    async def receive(self) -> str:
        """Receive one message as text."""

    @abc.abstractmethod
    async def receive_bytes(self) -> bytes:
        """Receive one message as bytes."""

    @abc.abstractmethod
    async def send(self, data: str) -> Any:
        """Send one text message.

        Args:
            data: The text.
        """

    @abc.abstractmethod
    async def send_bytes(self, data: bytes) -> Any:
        """Send one binary message.

        Args:
            data: The bytes.
        """


@dataclass
class HTTPPollingSetup:
    """How to poll a platform over HTTP.

    Attributes:
        adapter: Name of the registered adapter.
        self_id: The bot's id.
        url: Absolute ``http`` or ``https`` URL.
        method: The HTTP method.
        body: The body that each poll sends.
        headers: The headers that each poll sends.
        http_version: ``"1.0"`` or ``"1.1"``.
        poll_interval: Seconds from an answer to the next poll; 0 is a long poll.
    """

    adapter: str
    self_id: str
    url: str
    method: str
    body: bytes
    headers: dict[str, str]
    http_version: str
    poll_interval: float


@dataclass
class WebSocketSetup:
    """How to connect to a platform's WebSocket.

    Attributes:
        adapter: Name of the registered adapter.
        self_id: The bot's id.
        url: Absolute ``ws`` or ``wss`` URL.
        headers: The headers of the handshake.
        reconnect_interval: Seconds before the first attempt after a failure.
    """

    adapter: str
    self_id: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    reconnect_interval: float = 3.0
