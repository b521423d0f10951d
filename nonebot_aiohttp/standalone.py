"""``Driver`` of the standalone face: assembly only."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import aiohttp
from aiohttp import web

from . import drivers
from .adapters import _Config_co
from .connections.connected import ConnectedBots
from .connections.descriptors import DescriptorWatch
from .connections.open_websockets import OpenWebSockets
from .connections.sessions import SessionPool
from .connections.unsent import UnsentWatch
from .exceptions import LifecycleError, RegistrationError, SetupError, ValidationError
from .forward.base import Supplies
from .forward.loops import ForwardLoops
from .hosts.host import Host
from .hosts.hosted import HostedDriver
from .life.blocked import debug_watches
from .life.lifespan import Lifespan
from .life.tasks import TaskSet
from .log.own import logger
from .operations.observer import Parts
from .operations.operated import Operated, Operations
from .options import DriverOptions
from .registration import hook_problem
from .reverse.adapter_endpoints import AdapterEndpoints
from .reverse.gate import Gate

if TYPE_CHECKING:
    from .adapters import Bot
    from .config import Config, Env

FASTAPI_HINT = (
    "app.router.add_get() and the like add routes to it; or mount driver.asgi in a FastAPI"
    " application of your own. The setting aiohttp_fastapi is for NoneBot2 and its plugins"
)
"""What to do instead of treating the aiohttp application as a FastAPI one."""

_Hook = TypeVar("_Hook", bound=Callable[..., Any])
PollingFactory = Callable[[], Awaitable[drivers.HTTPPollingSetup]]
WebSocketFactory = Callable[[], Awaitable[drivers.WebSocketSetup]]


class _Environment(Protocol):
    """What names its environment, as ``Env`` does."""

    @property
    def environment(self) -> str:
        """The name, such as ``"prod"``."""


class Driver(
    HostedDriver, Operated, drivers.ForwardDriver, drivers.ReverseDriver, Generic[_Config_co]
):
    """Speaks all four ways on one event loop, inbound and outbound, HTTP and WebSocket.

    It runs in a process of its own (``run``, ``serve``), in an aiohttp application (``attach``, or
    ``app.add_subapp("/bot/", driver.server_app)``), or in any ASGI server (``asgi``). Making one
    binds nothing to an event loop or a process.

    Attributes:
        options: The settings, validated.
    """

    config: _Config_co  # type: ignore[assignment]  # Any object with attributes will do.
    _option_defaults: dict[str, Any] = {}
    _is_for_nonebot = False

    def __init__(self, env: _Environment, config: _Config_co) -> None:
        """Assemble a driver.

        Args:
            env: The environment; any object with the attribute ``environment`` will do.
            config: The configuration; any object with attributes will do. Those that begin with
                ``aiohttp_`` are the driver's settings; ``host`` and ``port`` say where to listen.

        Raises:
            ValidationError: A setting has a wrong value.
        """
        if not self._is_for_nonebot and sys._getframe(1).f_globals.get("__name__") == "nonebot":
            # NoneBot's init() would take it, and register_adapter() fail by its arguments.
            text = "nonebot_aiohttp is the driver without NoneBot2: write"
            text += " DRIVER=nonebot_aiohttp.nonebot2"
            raise ValidationError({"driver": text})
        logger.hold_back()
        logger.set_level(getattr(config, "log_level", None))
        super().__init__(cast("Env", env), cast("Config", config))
        self.options = DriverOptions.from_config(config, **self._option_defaults)
        if self.options.fastapi:
            text = "is for nonebot_aiohttp.nonebot2 under NoneBot2 2.4 or newer only; mount"
            text += " driver.asgi in a FastAPI application instead"
            raise ValidationError({"aiohttp_fastapi": text})
        handlers, hooks, websockets = TaskSet("handler"), TaskSet("hook"), OpenWebSockets()
        self._pool = SessionPool(self.options)
        self._connected_bots = ConnectedBots(self, self.options, hooks)
        self._loops = ForwardLoops(
            Supplies(self, self.options, self._pool, self._connected_bots, websockets, handlers)
        )
        watch = UnsentWatch(self.options)
        watch.add_websockets(websockets)
        descriptors = DescriptorWatch()
        self._lifespan = Lifespan(
            pool=self._pool,
            loops=self._loops,
            connections=websockets,
            work=handlers,
            hooks=hooks,
            watches=(watch, descriptors, *debug_watches(config)),
            check=self._check_start,
            drain_timeout=self.options.drain_timeout,
            close_timeout=self.options.close_timeout,
        )
        endpoints = AdapterEndpoints(
            self, Gate(self.options, self._lifespan), self._connected_bots, websockets, handlers
        )
        parts = self._observed(endpoints, websockets, (handlers, hooks), descriptors)
        self._operations = Operations(self.options, parts)
        self._host = Host(
            endpoints,
            self._lifespan,
            self.options,
            config,
            listener=self._operations.listener,
            counts=lambda: (len(self.bots), len(handlers)),
            fastapi_hint=FASTAPI_HINT,
        )
        watch.add_connections(self._host.transports)
        watch.add_connections(self._operations.listener.transports)

    def _observed(
        self,
        endpoints: AdapterEndpoints,
        websockets: OpenWebSockets,
        work: tuple[TaskSet, ...],
        descriptors: DescriptorWatch,
    ) -> Parts:
        """Name the parts that count what operators see."""
        return Parts(
            lifespan=self._lifespan,
            endpoints=endpoints,
            pool=self._pool,
            websockets=(websockets,),
            work=work,
            records=self._connected_bots.records,
            descriptors=descriptors,
            loops=self._loops,
            certificates=lambda: self._host.certificates,
        )

    def _check_start(self) -> None:
        if not self._adapters:
            logger.warning(
                "No adapter is registered, so no event reaches a bot: call"
                " driver.register_adapter(name, MyBot) before the start"
            )
        self._loops.examine()

    @property
    def server_app(self) -> web.Application:
        """The driver as an application of its own, for ``add_subapp``, gunicorn, or more routes."""
        return self._host.server_app

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared session, open from before the startup hooks until after the shutdown hooks.

        Raises:
            LifecycleError: The driver does not run.
        """
        try:
            return self._pool.get()
        except LifecycleError as error:
            raise error.with_traceback(None) from None  # Only the user's line tells something.

    def on_startup(self, func: _Hook) -> _Hook:
        """Register a function that runs when the driver starts, after those registered before.

        Args:
            func: ``func()``, sync or async. If it fails the driver does not start.

        Returns:
            ``func``, so that this serves as a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called without arguments.
        """
        if problem := hook_problem("on_startup", func):
            raise RegistrationError(problem)
        self._lifespan.on_startup(func)
        return func

    def on_shutdown(self, func: _Hook) -> _Hook:
        """Register a function that runs when the driver stops, before those registered before.

        Args:
            func: ``func()``, sync or async.

        Returns:
            ``func``, so that this serves as a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called without arguments.
        """
        if problem := hook_problem("on_shutdown", func):
            raise RegistrationError(problem)
        self._lifespan.on_shutdown(func)
        return func

    def setup_http_polling(self, setup: drivers.HTTPPollingSetup | PollingFactory) -> None:
        """Register an HTTP polling connection; in a running driver it starts at once.

        Args:
            setup: The setup, or a function that makes it and is called before every poll. What
                ``handle_message`` does with an answer before it first waits has happened by then.

        Raises:
            SetupError: It is neither. If the driver runs, also: the setup can never work. Before,
                that fails the start.
        """
        try:
            self._loops.add_polling(setup)
        except SetupError as error:
            raise error.with_traceback(None) from None

    def setup_websocket(self, setup: drivers.WebSocketSetup | WebSocketFactory) -> None:
        """Register a WebSocket connection; in a running driver it starts at once.

        Args:
            setup: The setup, or a function that makes it and is called before every attempt.
                ``handle_message`` has begun with each message of the last connection by then.

        Raises:
            SetupError: See ``setup_http_polling``.
        """
        try:
            self._loops.add_websocket(setup)
        except SetupError as error:
            raise error.with_traceback(None) from None

    def _bot_connect(self, bot: Bot) -> None:
        """Register a bot that an adapter has connected by itself."""
        self._connected_bots.connect(bot, bot.type)

    def _bot_disconnect(self, bot: Bot) -> None:
        """Remove a bot, unless its id belongs to another bot by now."""
        self._connected_bots.disconnect(bot, bot.type)
