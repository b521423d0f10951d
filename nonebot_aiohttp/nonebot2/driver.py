"""``Driver`` and ``Mixin`` for NoneBot2 2.4 and newer: the assembly of this face."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from nonebot.config import Config, Env
from nonebot.drivers import ASGIMixin, HTTPServerSetup, WebSocketServerSetup
from nonebot.drivers import Driver as NonebotDriver

from ..connections.descriptors import DescriptorWatch
from ..connections.open_websockets import OpenWebSockets
from ..connections.sessions import SessionPool
from ..connections.unsent import UnsentWatch
from ..hosts.host import Host
from ..life.deadline import GRACE, Deadline
from ..life.lifespan import Lifespan, State
from ..life.tasks import TaskSet
from ..log import logger
from ..options import DriverOptions
from ..reverse.asgi_transport import Application
from ..reverse.gate import Gate
from ..reverse.guests.guest import Guest, Kept, Streams
from .client import ClientHalf
from .events import EventWork
from .lifespan import LifespanKeeper, ShutdownFunctions
from .routes import RouteEndpoints

if TYPE_CHECKING:
    from .plugins_app import PluginsApp

FASTAPI_HINT = (
    "a plugin that wants FastAPI needs AIOHTTP_FASTAPI=true in .env, and"
    ' pip install "nonebot-aiohttp[fastapi]"'
)
"""What to do where the aiohttp application is taken for a FastAPI one."""

ASGI_HINT = (
    "The bot is a guest of an ASGI server, which owns the connections. At a stop it closes"
    " WebSockets before the events in flight have ended; nobody pings peers, or asks a bot's first"
    " connection whether it lives; and each event costs more. Run it by itself instead: python"
    ' bot.py, in Docker CMD ["python", "bot.py"]. Or have gunicorn run'
    " nonebot.get_driver().aiohttp_app with -k aiohttp.GunicornWebWorker"
)
"""What is said once under an ASGI server, where ``nb docker`` puts bots."""


class NoLoops:
    """Stands for forward loops, which are the adapters' own business under NoneBot2."""

    def start(self) -> None:
        """Start nothing."""

    async def stop_intake(self) -> None:
        """Stop nothing."""

    async def stop(self, deadline: Deadline) -> None:
        """Wait for nothing."""


def read_options(config: Config) -> DriverOptions:
    """Read the driver's settings; browsers are let in unless origins are configured.

    Args:
        config: NoneBot's configuration.

    Returns:
        The options.

    Raises:
        ValidationError: A setting has a wrong value.
    """
    return DriverOptions.from_config(config, allowed_origins=frozenset({"*"}))


class Driver(ClientHalf, NonebotDriver, ASGIMixin):
    """The driver for ``DRIVER=nonebot_aiohttp.nonebot2``: server and client on one event loop.

    Attributes:
        options: The settings, validated.
    """

    _plugins_app: PluginsApp | None = None

    def __init__(self, env: Env, config: Config) -> None:
        """Assemble a driver; NoneBot does.

        Args:
            env: NoneBot's environment.
            config: NoneBot's configuration; what begins with ``aiohttp_`` are the settings.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        handlers, socket_handlers = TaskSet("HTTP handler"), TaskSet("WebSocket handler")
        work, sockets = EventWork(handlers, socket_handlers), OpenWebSockets()
        # Before NoneBot's own, in which a mixin may add functions.
        self._functions = ShutdownFunctions(work, self._deadline)
        super().__init__(env, config)
        self.options = read_options(config)
        self._pool = SessionPool(self.options)
        watch = UnsentWatch(self.options)
        self._client_sockets = set()
        kept = Kept(handlers, socket_handlers, sockets, Streams(sockets))
        watch.add_sockets(sockets)
        watch.add_sockets(self._client_sockets)
        life = Lifespan(
            session=self._pool,
            loops=NoLoops(),
            sockets=kept.streams,
            work=work,
            hooks=socket_handlers,
            watches=(watch, DescriptorWatch()),
            drain_timeout=self.options.drain_timeout,
            close_timeout=self.options.close_timeout,
        )
        self._keep_nonebots(life)
        gate = Gate(self.options, life)
        self._endpoints = RouteEndpoints(gate, sockets, handlers, socket_handlers)
        self._host = Host(
            self._endpoints,
            life,
            self.options,
            config,
            guest=self._make_guest(config, gate, kept) if self.options.fastapi else None,
            fastapi_hint=FASTAPI_HINT,
            asgi_hint=ASGI_HINT,
        )
        if self._plugins_app is not None:
            self._plugins_app.bot = self._host.asgi
        watch.add_connections(self._host.transports)

    def _keep_nonebots(self, life: Lifespan) -> None:
        """Have NoneBot's own lifespan begin and end with the driver's life."""
        self._lifespan.on_shutdown(self._functions.run)
        keeper = LifespanKeeper(self._lifespan, self._functions)
        life.on_startup(self._begin)
        life.on_startup(keeper.start)
        life.on_shutdown(keeper.stop)

    def _make_guest(self, config: Config, gate: Gate, kept: Kept) -> Guest:
        """Make the application of plugins, which needs an extra."""
        from .plugins_app import PluginsApp, make_guest

        self._plugins_app = PluginsApp(config)
        guest = make_guest(self._plugins_app, gate, kept, self.options.body_timeout)
        # Within the life of NoneBot's functions, in which plugins still add pages.
        gate.lifespan.on_startup(guest.lifespan.start)
        gate.lifespan.on_shutdown(guest.lifespan.stop)
        return guest

    def _begin(self) -> None:
        if self._plugins_app is not None:
            self._plugins_app.begin()

    def _deadline(self) -> Deadline | None:
        life = self._host.lifespan
        return None if life.state is State.IDLE else life.deadline

    @property
    def type(self) -> str:
        """Always ``"aiohttp"``."""
        return "aiohttp"

    @property
    def logger(self) -> Any:
        """NoneBot's logger, which is loguru's."""
        return logger

    @property
    def server_app(self) -> Any:
        """What ``nonebot.get_app()`` gives: ``aiohttp_app``, as long as nothing else is set.

        With ``aiohttp_fastapi=true`` it is a FastAPI application, which is served behind the bot's
        own paths.
        """
        return self.aiohttp_app if self._plugins_app is None else self._plugins_app

    @property
    def aiohttp_app(self) -> web.Application:
        """The driver as an application, for ``add_subapp``, gunicorn, or more routes.

        With ``aiohttp_fastapi=true`` routes with parameters at its root (``/{name}``) come too
        late: what is no path of the bot's is FastAPI's.
        """
        return self._host.server_app

    @property
    def asgi(self) -> Application:
        """The driver as an ASGI 3 application; with ``aiohttp_fastapi=true`` it is FastAPI's."""
        return self._host.asgi if self._plugins_app is None else self._plugins_app

    def on_shutdown(self, func: Any) -> Any:
        """Register a function that runs at the stop, before those that are there.

        Args:
            func: ``func()``, sync or async. One that fails or hangs skips none of the others.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        self._functions.add(func)
        return func

    def setup_http_server(self, setup: HTTPServerSetup) -> None:
        """Add an HTTP route; see ``nonebot.drivers.ASGIMixin``."""
        self._endpoints.add_http(setup)
        if self._plugins_app is not None:
            self._plugins_app.list_http(setup)

    def setup_websocket_server(self, setup: WebSocketServerSetup) -> None:
        """Add a WebSocket route; see ``nonebot.drivers.ASGIMixin``."""
        self._endpoints.add_websocket(setup)
        if self._plugins_app is not None:
            self._plugins_app.list_websocket(setup)

    def attach(self, app: web.Application) -> None:
        """Serve at the root of an aiohttp application; see ``nonebot_aiohttp.Driver.attach``."""
        self._host.attach(app)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Driver]:
        """Start, and stop at the end; see ``nonebot_aiohttp.Driver.lifespan``."""
        async with self._host.running():
            yield self

    def run(
        self, host: str | None = None, port: int | None = None, *, app: Any = None, **where: Any
    ) -> None:
        """Run in this process until a signal, as ``nonebot.run`` asks for.

        Args:
            host: Where to listen; None is ``config.host``.
            port: The port; None is ``config.port``.
            app: What uvicorn would import to reload; there is nothing to reload here.
            **where: What ``nonebot_aiohttp.Driver.run`` takes.

        Raises:
            SystemExit: See ``nonebot_aiohttp.Driver.run``.
            TypeError: An argument is unknown.
        """
        super().run(host, port, app=app, **where)  # type: ignore[no-untyped-call]
        if app is not None:
            logger.debug("This driver does not reload, so it does not need app=")
        self._host.run(host, port, **where)

    async def serve(self, host: str | None = None, port: int | None = None, **where: Any) -> None:
        """Run on a loop that runs already; see ``nonebot_aiohttp.Driver.serve``."""
        await self._host.serve(host, port, **where)

    def exit(self, force: bool = False) -> None:
        """Stop ``run()`` or ``serve()`` from code; may be called from any thread.

        Args:
            force: Accepted as NoneBot's ``none`` driver does; stopping is bounded anyway.
        """
        self._host.exit()


class Mixin(ClientHalf):
    """The client half, for ``~none+nonebot_aiohttp.nonebot2`` and other servers.

    The server's own driver starts and stops it. What this can add there is to wait for the events
    in flight before the first shutdown function runs.

    Attributes:
        options: The settings, validated.
    """

    def __init__(self, env: Env, config: Config) -> None:
        """Put the pool into the life of the driver that this is mixed into.

        Args:
            env: NoneBot's environment.
            config: NoneBot's configuration.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        self._work = EventWork(TaskSet("HTTP handler"), TaskSet("WebSocket handler"))
        # Before the others', which may add functions.
        self._functions = ShutdownFunctions(self._work, lambda: None)
        super().__init__(env, config)  # type: ignore[call-arg]
        self.options = read_options(config)
        self._pool = SessionPool(self.options)
        self._client_sockets = set()
        unsent = UnsentWatch(self.options)
        unsent.add_sockets(self._client_sockets)
        self._watches = unsent, DescriptorWatch()
        self.on_startup(self._start_up)  # type: ignore[attr-defined]
        super().on_shutdown(self._shut_down)  # type: ignore[misc]

    def on_shutdown(self, func: Any) -> Any:
        """Register a function that runs at the stop, after the events in flight have ended.

        Args:
            func: ``func()``, sync or async. One that fails skips none of the others.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        self._functions.add(func)
        return func

    async def _start_up(self) -> None:
        await self._pool.open()
        for watch in self._watches:
            watch.start()

    async def _shut_down(self) -> None:
        if in_work := self._work.in_work():
            logger.info("Waiting for {} in flight", in_work)
        await self._work.drain(self.options.drain_timeout)
        await self._work.cancel(GRACE)
        self._work.end_stop()
        try:
            await self._functions.run()
        finally:
            for watch in self._watches:
                watch.stop()
            await self._pool.close()

    @property
    def type(self) -> str:
        """Always ``"aiohttp"``."""
        return "aiohttp"
