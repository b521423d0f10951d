"""``Driver``, the concrete driver: the assembly of the parts, and the hosts that they run under."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp import web

from . import drivers
from .connections.connected import ConnectedBots
from .connections.descriptors import DescriptorWatch
from .connections.open_websockets import OpenWebSockets
from .connections.sessions import SessionPool
from .connections.unsent import UnsentWatch
from .exceptions import ValidationError
from .forward.base import Supplies
from .forward.loops import ForwardLoops
from .hosts.host import Host
from .life.lifespan import Lifespan
from .life.tasks import TaskSet
from .log import logger
from .options import DriverOptions
from .reverse.adapter_endpoints import AdapterEndpoints
from .reverse.asgi_transport import Application
from .reverse.gate import Gate

if TYPE_CHECKING:
    from .adapters import Bot
    from .config import Config, Env

FASTAPI_HINT = (
    "app.router.add_get() and the like add routes to it; or mount driver.asgi in a FastAPI"
    " application of your own. The setting aiohttp_fastapi is for NoneBot2 and its plugins"
)
"""What to do instead where this face's application is taken for a FastAPI one."""

_Hook = TypeVar("_Hook", bound=Callable[..., Any])
PollingFactory = Callable[[], Awaitable[drivers.HTTPPollingSetup]]
WebSocketFactory = Callable[[], Awaitable[drivers.WebSocketSetup]]


class Driver(drivers.ForwardDriver, drivers.ReverseDriver):
    """Speaks all four ways on one event loop, inbound and outbound, HTTP and WebSocket.

    It runs in a process of its own (``run``, ``serve``), in an aiohttp application (``attach``, or
    ``app.add_subapp("/bot/", driver.server_app)``), or in any ASGI server (``asgi``). Making one
    binds nothing to an event loop or a process.

    Attributes:
        options: The settings, validated.
    """

    _option_defaults: dict[str, Any] = {}

    def __init__(self, env: Env, config: Config) -> None:
        """Assemble a driver.

        Args:
            env: The environment; any object with the attribute ``environment`` serves.
            config: The configuration; any object with attributes serves. Those that begin with
                ``aiohttp_`` are the driver's settings, ``host`` and ``port`` say where to listen.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        super().__init__(env, config)
        self.options = DriverOptions.from_config(config, **self._option_defaults)
        if self.options.fastapi:
            text = "is for nonebot_aiohttp.nonebot2 under NoneBot2 2.4 or newer only; mount"
            text += " driver.asgi in a FastAPI application instead"
            raise ValidationError({"aiohttp_fastapi": text})
        handlers, hooks, sockets = TaskSet("handler"), TaskSet("hook"), OpenWebSockets()
        self._pool = SessionPool(self.options)
        self._connections = ConnectedBots(self, self.options, hooks)
        self._loops = ForwardLoops(
            Supplies(self, self.options, self._pool, self._connections, sockets, handlers)
        )
        watch = UnsentWatch(self.options)
        watch.add_sockets(sockets)
        self._lifespan = Lifespan(
            session=self._pool,
            loops=self._loops,
            sockets=sockets,
            work=handlers,
            hooks=hooks,
            watches=(watch, DescriptorWatch()),
            drain_timeout=self.options.drain_timeout,
            close_timeout=self.options.close_timeout,
        )
        endpoints = AdapterEndpoints(
            self, Gate(self.options, self._lifespan), self._connections, sockets, handlers
        )
        self._host = Host(
            endpoints, self._lifespan, self.options, config, fastapi_hint=FASTAPI_HINT
        )
        watch.add_connections(self._host.transports)

    @property
    def type(self) -> str:
        """Always ``"aiohttp"``."""
        return "aiohttp"

    @property
    def logger(self) -> Any:
        """The loguru logger."""
        return logger

    @property
    def server_app(self) -> web.Application:
        """The driver as an application of its own, for ``add_subapp``, gunicorn, or more routes."""
        return self._host.server_app

    @property
    def asgi(self) -> Application:
        """The driver as an ASGI 3 application that serves the same endpoints."""
        return self._host.asgi

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared session: open from before the startup hooks until after the shutdown hooks.

        Raises:
            LifecycleError: The driver does not run.
        """
        return self._pool.get()

    def on_startup(self, func: _Hook) -> _Hook:
        """Register a function that runs when the driver starts, after those that are there.

        Args:
            func: ``func()``, sync or async. One that fails stops the start.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        self._lifespan.on_startup(func)
        return func

    def on_shutdown(self, func: _Hook) -> _Hook:
        """Register a function that runs when the driver stops, before those that are there.

        Args:
            func: ``func()``, sync or async.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        self._lifespan.on_shutdown(func)
        return func

    def setup_http_polling(self, setup: drivers.HTTPPollingSetup | PollingFactory) -> None:
        """Register an HTTP polling connection; in a running driver it starts at once.

        Args:
            setup: The setup, or a function that makes it and is called before every poll.
        """
        self._loops.add_polling(setup)

    def setup_websocket(self, setup: drivers.WebSocketSetup | WebSocketFactory) -> None:
        """Register a WebSocket connection; in a running driver it starts at once.

        Args:
            setup: The setup, or a function that makes it and is called before every attempt.
        """
        self._loops.add_websocket(setup)

    def attach(self, app: web.Application) -> None:
        """Serve at the root of an application that exists, and live and stop with it.

        The application's own routes come first, and names that no adapter has stay its business.

        Args:
            app: The application, not started yet.
        """
        self._host.attach(app)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Driver]:
        """Start, and stop at the end: for hosts that forward no lifespan events.

        Yields:
            The driver, running.

        Raises:
            StartupError: A startup hook failed.
        """
        async with self._host.running():
            yield self

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        mode: int | None = None,
        sock: socket.socket | None = None,
        ssl_context: ssl.SSLContext | None = None,
        listen: bool = True,
    ) -> None:
        """Run in this process until SIGINT, SIGTERM or ``exit()``.

        Args:
            host: Where to listen; None is ``config.host``.
            port: The port; None is ``config.port``, 0 lets the system choose.
            path: A Unix socket to listen on instead.
            mode: Mode of its file, such as ``0o660``; None is ``aiohttp_socket_mode``.
            sock: A bound socket to listen on instead.
            ssl_context: Serve TLS; None takes ``aiohttp_ssl_certfile``, or else serves plain.
            listen: False listens nowhere: for a process that only connects to platforms.

        Raises:
            SystemExit: With 1 when the start failed, with 130 when a second Ctrl+C forced the end.
        """
        self._host.run(
            host, port, path=path, mode=mode, sock=sock, ssl_context=ssl_context, listen=listen
        )

    async def serve(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        mode: int | None = None,
        sock: socket.socket | None = None,
        ssl_context: ssl.SSLContext | None = None,
        listen: bool = True,
        started: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        """Run on a loop that runs already, until ``exit()`` or cancellation; touches no signals.

        Args:
            host: See ``run``.
            port: See ``run``.
            path: See ``run``.
            mode: See ``run``.
            sock: See ``run``.
            ssl_context: See ``run``.
            listen: See ``run``.
            started: Called with the addresses once connections are accepted.

        Raises:
            StartupError: A port is in use, or a startup hook failed.
            LifecycleError: It runs already.
        """
        await self._host.serve(
            host,
            port,
            path=path,
            mode=mode,
            sock=sock,
            ssl_context=ssl_context,
            listen=listen,
            started=started,
        )

    def exit(self) -> None:
        """Stop ``run()`` or ``serve()`` from code; may be called from any thread."""
        self._host.exit()

    def _bot_connect(self, bot: Bot) -> None:
        """Enter a bot that came by an adapter's own way."""
        self._connections.connect(bot, bot.type)

    def _bot_disconnect(self, bot: Bot) -> None:
        """Remove a bot; only if the entry of its id is that bot."""
        self._connections.disconnect(bot, bot.type)
