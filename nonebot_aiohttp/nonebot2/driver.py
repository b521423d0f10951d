"""``Driver`` and ``Mixin`` for NoneBot2 2.4 and newer: assembly only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nonebot
from aiohttp import web
from nonebot.adapters import Bot
from nonebot.config import Config, Env
from nonebot.drivers import ASGIMixin, HTTPServerSetup, WebSocketServerSetup
from nonebot.drivers import Driver as NonebotDriver

from ..connections.client_websocket import ClientWebSocket
from ..connections.descriptors import DescriptorWatch
from ..connections.open_websockets import OpenWebSockets
from ..connections.records import FORWARD, REVERSE, BotRecords
from ..connections.sessions import SessionPool
from ..connections.unsent import UnsentWatch
from ..hosts.host import Host
from ..hosts.hosted import HostedDriver, check_arguments
from ..life.blocked import debug_watches
from ..life.deadline import GRACE, Deadline
from ..life.lifespan import Lifespan, NoLoops
from ..life.tasks import TaskSet
from ..log.own import logger
from ..operations.observer import Parts
from ..operations.operated import Operated, Operations
from ..options import DriverOptions
from ..reverse.asgi_transport import Application
from ..reverse.gate import Gate
from ..reverse.guests.guest import Guest, Kept, Streams
from .client import ClientHalf
from .events import EventWork
from .lifespan import HookRegistration, LifespanKeeper, ShutdownFunctions
from .routes import RouteEndpoints
from .websocket import websocket_of

if TYPE_CHECKING:
    from .plugins_app import PluginsApp

FASTAPI_HINT = (
    "a plugin that wants FastAPI needs AIOHTTP_FASTAPI=true in .env, and"
    ' pip install "nonebot-aiohttp[fastapi]"'
)
"""What to do instead of treating the aiohttp application as a FastAPI one."""

GUEST_SLICES = 4
"""Slices of a stop's time for plugins' pages, which do not tell how many functions they run."""

ASGI_ADVICE = (
    "An ASGI server runs the bot, and owns its connections. At a stop it closes WebSockets before"
    " the events in flight have ended; nobody pings peers, or asks a bot's first connection whether"
    " it is alive; and each event costs more. Run the bot by itself instead: python"
    ' bot.py, in Docker CMD ["python", "bot.py"]. Or have gunicorn run'
    " nonebot.get_driver().aiohttp_app with -k aiohttp.GunicornWebWorker"
)
"""Logged once under an ASGI server, where ``nb docker`` puts bots."""


def read_options(config: Config) -> DriverOptions:
    """Read the driver's settings, and ``log_level``, which filters the package's own records.

    Without ``aiohttp_allowed_origins`` browsers may connect.

    Raises:
        ValidationError: A setting has a wrong value.
    """
    logger.set_level(config.log_level)
    return DriverOptions.from_config(config, allowed_origins=frozenset({"*"}))


class Driver(HookRegistration, ClientHalf, HostedDriver, Operated, NonebotDriver, ASGIMixin):
    """The driver for ``DRIVER=nonebot_aiohttp.nonebot2``: server and client on one event loop.

    Attributes:
        options: The settings, validated.
    """

    _name_in_code = "nonebot.get_driver()"
    _plugins_app: PluginsApp | None = None

    def __init__(self, env: Env, config: Config) -> None:
        """Assemble a driver; NoneBot does.

        Args:
            env: NoneBot's environment.
            config: NoneBot's configuration; what begins with ``aiohttp_`` are the settings.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        handlers, websocket_handlers = TaskSet("HTTP handler"), TaskSet("WebSocket handler")
        work, websockets = EventWork(handlers, websocket_handlers), OpenWebSockets()
        # Before NoneBot's own __init__, in which a mixin may add functions.
        self._functions = ShutdownFunctions(work, self._deadline)
        super().__init__(env, config)
        self.options = read_options(config)
        self._pool = SessionPool(self.options)
        watch = UnsentWatch(self.options)
        self._client_websockets = OpenWebSockets()
        self._records, descriptors = BotRecords(), DescriptorWatch()
        kept = Kept(handlers, websocket_handlers, websockets, Streams(websockets))
        watch.add_websockets(websockets)
        watch.add_websockets(self._client_websockets)
        life = Lifespan(
            pool=self._pool,
            loops=NoLoops(),
            connections=kept.streams,
            work=work,
            hooks=websocket_handlers,
            watches=(watch, descriptors, *debug_watches(config)),
            check=self._check_start,
            drain_timeout=self.options.drain_timeout,
            close_timeout=self.options.close_timeout,
        )
        life.on_startup(work.bind)
        self._keep_nonebots(life)
        gate = Gate(self.options, life)
        self._endpoints = RouteEndpoints(gate, websockets, handlers, websocket_handlers)
        parts = self._observed(life, websockets, (handlers, websocket_handlers), descriptors, work)
        self._operations = Operations(self.options, parts)
        self._host = Host(
            self._endpoints,
            life,
            self.options,
            config,
            listener=self._operations.listener,
            guest=self._make_guest(config, gate, kept) if self.options.fastapi else None,
            counts=lambda: (len(self.bots), work.count()),
            fastapi_hint=FASTAPI_HINT,
            asgi_advice=ASGI_ADVICE,
            run_advice="end the program with nonebot.run()",
        )
        if self._plugins_app is not None:
            self._plugins_app.bot = self._host.asgi_application
        watch.add_connections(self._host.transports)
        watch.add_connections(self._operations.listener.transports)

    def _observed(
        self,
        life: Lifespan,
        websockets: OpenWebSockets,
        work: tuple[TaskSet, ...],
        descriptors: DescriptorWatch,
        events: EventWork,
    ) -> Parts:
        """Name the parts that count what operators see."""
        return Parts(
            lifespan=life,
            endpoints=self._endpoints,
            pool=self._pool,
            websockets=(websockets, self._client_websockets),
            work=work,
            records=self._records,
            descriptors=descriptors,
            events=events,
            certificates=lambda: self._host.certificates,
            # A bot that PyInstaller has packed has no metadata of packages.
            versions=(("nonebot2", nonebot.__version__ or "unknown"),),
        )

    def _keep_nonebots(self, life: Lifespan) -> None:
        """Have NoneBot's own lifespan begin and end with the driver's life."""
        self._lifespan.on_shutdown(self._functions.run)
        keeper = LifespanKeeper(self._lifespan, self._functions)
        life.on_startup(self._begin)
        life.on_startup(keeper.start)
        life.on_shutdown(keeper.stop, lambda: self._functions.slices)

    def _make_guest(self, config: Config, gate: Gate, kept: Kept) -> Guest:
        """Make the FastAPI application for plugins, which needs an extra."""
        from .plugins_app import PluginsApp, make_guest

        self._plugins_app = PluginsApp(config)
        guest = make_guest(self._plugins_app, gate, kept, self.options.body_timeout)
        # After NoneBot's startup functions, in which plugins still add pages.
        gate.lifespan.on_startup(guest.lifespan.start)
        gate.lifespan.on_shutdown(guest.lifespan.stop, lambda: GUEST_SLICES)
        return guest

    def _begin(self) -> None:
        if self._plugins_app is not None:
            self._plugins_app.begin()

    def _check_start(self) -> None:
        if not self._adapters:
            logger.warning(
                "No adapter is registered, so no event reaches the bot: call"
                " nonebot.get_driver().register_adapter(...) before nonebot.run()"
            )

    def _bot_connect(self, bot: Bot) -> None:
        super()._bot_connect(bot)
        name, way = bot.adapter.get_name(), ""
        websocket = websocket_of(name)
        if websocket is not None:
            way = FORWARD if isinstance(websocket, ClientWebSocket) else REVERSE
        self._records.add(bot, name, way, websocket)

    def _bot_disconnect(self, bot: Bot) -> None:
        # NoneBot goes by the id as well.
        self._records.remove(self.bots.get(bot.self_id, bot))
        super()._bot_disconnect(bot)

    def _deadline(self) -> Deadline | None:
        life = self._host.lifespan
        return None if life.is_idle else life.deadline

    @property
    def server_app(self) -> Any:
        """What ``nonebot.get_app()`` gives: ``aiohttp_app``, as long as nothing else is set.

        With ``aiohttp_fastapi=true`` it is a FastAPI application, which is served behind the bot's
        own paths.
        """
        return self.aiohttp_app if self._plugins_app is None else self.asgi

    @property
    def aiohttp_app(self) -> web.Application:
        """The driver as an application, for ``add_subapp``, gunicorn, or more routes.

        With ``aiohttp_fastapi=true`` its routes with parameters at the root (``/{name}``) are never
        reached, because every path that is not the bot's is FastAPI's.
        """
        return self._host.server_app

    @property
    def asgi(self) -> Application:
        """The driver as an ASGI 3 application; with ``aiohttp_fastapi=true`` it is FastAPI's."""
        application = super().asgi
        return application if self._plugins_app is None else self._plugins_app

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
        check_arguments(where)
        NonebotDriver.run(self, host, port, app=app, **where)  # type: ignore[no-untyped-call]
        if app is not None:
            logger.debug("This driver does not reload, so it does not need app=")
        HostedDriver.run(self, host, port, **where)

    def exit(self, force: bool = False) -> None:
        """Stop ``run()`` or ``serve()`` from code; may be called from any thread.

        Args:
            force: Accepted because NoneBot's ``none`` driver takes it; a stop is bounded anyway.
        """
        self._host.exit()


class Mixin(HookRegistration, ClientHalf):
    """The client half, for ``~none+nonebot_aiohttp.nonebot2`` and other servers.

    The server's own driver starts and stops this mixin, which then waits for the events in flight
    before the first shutdown function runs.

    Attributes:
        options: The settings, validated.
    """

    def __init__(self, env: Env, config: Config) -> None:
        """Open and close the pool with the driver that this is mixed into.

        Args:
            env: NoneBot's environment.
            config: NoneBot's configuration.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        self._work = EventWork(TaskSet("HTTP handler"), TaskSet("WebSocket handler"))
        # Before the __init__ of the others, which may add functions.
        self._functions = ShutdownFunctions(self._work, lambda: None)
        super().__init__(env, config)  # type: ignore[call-arg]
        self.options = read_options(config)
        self._pool = SessionPool(self.options)
        self._client_websockets = OpenWebSockets()
        unsent = UnsentWatch(self.options)
        unsent.add_websockets(self._client_websockets)
        self._watches = unsent, DescriptorWatch()
        self.on_startup(self._start_up)
        super(HookRegistration, self).on_shutdown(self._shut_down)  # type: ignore[misc]

    async def _start_up(self) -> None:
        await self._pool.open()
        for watch in self._watches:
            watch.start()

    async def _shut_down(self) -> None:
        if pending := self._work.describe_pending():
            logger.info("Waiting for {} in flight", pending)
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
