"""The API of NoneBot 2.0.0a16's ``nonebot.drivers``, without any I/O.

An adapter that was written for that API needs other imports only. Names, the order of fields,
defaults and abstract methods are the same as there. Concrete here is only the part that all drivers
share: each driver instance keeps adapters, hooks and connected bots of its own.
"""

from __future__ import annotations

import abc
import builtins
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .exceptions import RegistrationError
from .log.naming import about
from .log.own import logger as package_logger
from .registration import adapter_problem, class_name, hook_problem

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
        """Make a set of items."""
        self._items = dict.fromkeys(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: _T) -> None:
        """Add ``value`` at the end, unless it is in the set."""
        self._items[value] = None

    def discard(self, value: _T) -> None:
        """Remove ``value`` if it is in the set."""
        self._items.pop(value, None)


class Driver(abc.ABC):
    """Base of all drivers: a driver talks to the network for the adapters.

    Attributes:
        env: Name of the environment, such as ``"prod"``.
        config: The configuration; any object with attributes.
    """

    _adapters: dict[str, builtins.type[Bot]]
    _bot_connection_hook: set[T_BotConnectionHook]
    _bot_disconnection_hook: set[T_BotDisconnectionHook]
    env: str
    config: Config
    _clients: dict[str, Bot]

    def __init__(self, env: Env, config: Config) -> None:
        """Make a driver without adapters, hooks and bots.

        Args:
            env: The environment; its ``environment`` becomes ``driver.env``.
            config: The configuration.
        """
        self.env = env.environment
        self.config = config
        self._adapters = {}
        self._clients = {}
        # NoneBot annotates sets; these sets keep their order.
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
        """The bots that are connected now, by id."""
        return self._clients

    def register_adapter(self, name: str, adapter: builtins.type[Bot[Any]], **kwargs: Any) -> None:
        """Register an adapter. If the name is registered already, its first adapter stays.

        Args:
            name: The name by which connections find the adapter (``/{name}/ws``).
            adapter: The adapter's ``Bot`` class.
            **kwargs: Passed to ``adapter.register``.

        Raises:
            RegistrationError: No path can lead to the name, or the class cannot be an adapter.
            Exception: Any error of ``adapter.register``; the adapter is not registered then.
        """
        if problem := adapter_problem(name, adapter, kwargs):
            raise RegistrationError(problem)
        if name in self._adapters:
            _log_taken(name, self._adapters[name], adapter)
            return
        self._adapters[name] = adapter
        try:
            adapter.register(cast("Any", self), self.config, **kwargs)
        except BaseException:
            del self._adapters[name]
            raise
        package_logger.debug("Registered adapter {}", name, **about(name))

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
        """Register a function that runs after each bot has connected.

        Args:
            func: ``func(bot)``, sync or async.

        Returns:
            ``func``, so that the method is a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called so.
        """
        if problem := hook_problem("on_bot_connect", func, "bot"):
            raise RegistrationError(problem)
        self._bot_connection_hook.add(func)
        return func

    def on_bot_disconnect(self, func: _BotHook) -> _BotHook:
        """Register a function that runs after each bot has disconnected, as ``on_bot_connect``.

        Args:
            func: ``func(bot)``, sync or async.
        """
        if problem := hook_problem("on_bot_disconnect", func, "bot"):
            raise RegistrationError(problem)
        self._bot_disconnection_hook.add(func)
        return func


def _log_taken(name: str, first: type[Bot], adapter: type[Bot]) -> None:
    if adapter is first:
        text = "Adapter {} is registered already; the first one stays"
        package_logger.debug(text, name, **about(name))
        return
    text = "The name {} belongs to {}, so {} is not registered: register it under another name"
    package_logger.warning(text, name, class_name(first), class_name(adapter), **about(name))


class ForwardDriver(Driver):
    """Base of drivers that connect to a platform."""

    @abc.abstractmethod
    def setup_http_polling(
        self, setup: HTTPPollingSetup | Callable[[], Awaitable[HTTPPollingSetup]]
    ) -> None:
        """Register an HTTP polling connection.

        Args:
            setup: The setup, or a function that is called before every poll and returns it. What
                ``handle_message`` does with an answer before it first waits has happened by then.
        """

    @abc.abstractmethod
    def setup_websocket(
        self, setup: WebSocketSetup | Callable[[], Awaitable[WebSocketSetup]]
    ) -> None:
        """Register a WebSocket connection.

        Args:
            setup: The setup, or a function that is called before every attempt to connect and
                returns it. ``handle_message`` has begun with each message of the last connection by
                then, and may not have ended.
        """


class ReverseDriver(Driver):
    """Base of drivers to which a platform connects."""

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
    """The head of an HTTP request or a WebSocket handshake, modelled on ASGI's connection scopes.

    Attributes:
        http_version: ``"1.0"``, ``"1.1"`` or ``"2"``.
        scheme: ``"http"`` or ``"https"``, ``"ws"`` or ``"wss"``.
        path: The decoded path, with the prefix under which the driver is mounted, if any.
        query_string: The query without the ``?``, percent-encoded as it was received;
            ``urllib.parse.parse_qs(request.query_string.decode())`` reads it.
        headers: Values by lowercase name. The values of a repeated header are joined in their
            order.
    """

    http_version: str
    scheme: str
    path: str
    query_string: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    @abc.abstractmethod
    def type(self) -> str:
        """The kind of the connection, ``"http"`` or ``"websocket"``."""


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
        headers: Values by name, in the order in which they are sent. Names may have capitals. No
            header is added for the body, so name its ``content-type`` where the peer needs one.
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

    A poll may last as long as ``aiohttp_poll_timeout`` says, 65 seconds by default. So a platform
    may keep a long poll open for up to a minute.

    Attributes:
        adapter: Name of the registered adapter.
        self_id: The bot's id, as text.
        url: Absolute ``http`` or ``https`` URL.
        method: The HTTP method.
        body: The bytes that each poll sends, such as ``json.dumps(...).encode()``; ``b""`` for
            none. Their Content-Type has to be among the headers.
        headers: The headers that each poll sends.
        http_version: ``"1.0"`` or ``"1.1"``.
        poll_interval: Seconds from an answer to the next poll; 0 for long polling.
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
        self_id: The bot's id, as text.
        url: Absolute ``ws``, ``wss``, ``http`` or ``https`` URL; ``http`` means ``ws``, and
            ``https`` means ``wss``.
        headers: The headers of the handshake.
        reconnect_interval: Seconds from a failure to the first new attempt, at least 1. A test that
            waits for a new connection sets it lower than the default.
    """

    adapter: str
    self_id: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    reconnect_interval: float = 3.0
