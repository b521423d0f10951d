"""``Host``: everything that a driver can run under, the same for both faces."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from ..exceptions import LifecycleError
from ..life.lifespan import Lifespan
from ..life.waiting import Stopped, race
from ..log.own import logger
from ..options import DriverOptions
from ..reverse.aiohttp_transport import AiohttpTransport
from ..reverse.asgi_transport import AsgiTransport
from ..reverse.bodies import BodyReader
from ..reverse.endpoints import Endpoints
from .application import DriverApplication
from .asgi import AsgiApplication
from .certificates import Certificates
from .embedding import Embedding
from .library_loggers import limited_loggers
from .listening import Listening
from .process import DEFAULT_LEVEL, serve_process
from .server import Server, Started
from .systemd import OPERATIONS, Counts, Systemd, supervision
from .unused import Use

if TYPE_CHECKING:
    from ..reverse.guests.guest import Guest


class StrictListener(Protocol):
    """A listener that several may have open at once."""

    async def open(self, given: Sequence[socket.socket] = (), *, strict: bool = False) -> None:
        """Listen, on the given sockets if there are any.

        Raises:
            StartupError: It cannot, and is ``strict``.
        """

    async def close(self) -> None:
        """Listen no more, unless another one has it open."""


class Host:
    """Runs endpoints and their life in a process of their own, in an application, or under ASGI.

    Attributes:
        lifespan: The order of starting and stopping.
        asgi_application: The endpoints as an ASGI 3 application.
        systemd: What may have started this process, and given it sockets; within ``run()`` only.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        lifespan: Lifespan,
        options: DriverOptions,
        config: Any,
        *,
        listener: StrictListener,
        guest: Guest | None = None,
        counts: Counts = lambda: (0, None),
        fastapi_hint: str,
        asgi_advice: str = "",
        run_advice: str = "end the program with driver.run()",
    ) -> None:
        """Make the transports; nothing is bound to an event loop or a process yet.

        Args:
            config: The configuration, for ``host``, ``port`` and ``log_level``.
            listener: The operators' own, which the own process opens before anything else.
            guest: An ASGI application behind the endpoints' own paths; None serves these alone.
            counts: Counts the connected bots and the events in flight, for systemd.
            fastapi_hint: See ``DriverApplication``.
            asgi_advice: See ``AsgiApplication``.
            run_advice: What to do, for a program that does not run its driver.
        """
        self.lifespan = lifespan
        self._bodies = bodies = BodyReader(options)
        self._use = Use(run_advice)
        self.asgi_application = AsgiApplication(
            AsgiTransport(endpoints, options, bodies, guest),
            lifespan,
            fastapi_hint=fastapi_hint,
            advice=asgi_advice,
        )
        self._transport = AiohttpTransport(endpoints, options, bodies, guest)
        self._fastapi_hint = fastapi_hint
        self._listener = listener
        self._embedding = Embedding(self._transport, lifespan)
        self._options = options
        self._config = config
        self._app: web.Application | None = None
        self._app_is_taken = False
        self._app_loop: asyncio.AbstractEventLoop | None = None
        self._exit: Callable[[], object] | None = None
        self._server: Server | _Nowhere | None = None
        self._stop_asked = False
        self._counts = counts
        self.systemd = Systemd()

    @property
    def certificates(self) -> Certificates | None:
        """The certificate of the own process; None while it does not run, or without settings."""
        return None if self._server is None else self._server.certificates

    @property
    def asgi(self) -> AsgiApplication:
        """The endpoints as an ASGI 3 application, to give it to a server."""
        self._use.begin()
        return self.asgi_application

    @property
    def server_app(self) -> web.Application:
        """The endpoints as an application of their own; a new one when the last has ended.

        While another host runs the driver nothing can be added, because nobody would serve it.
        """
        self._use.begin()
        self._app_is_taken = True
        is_idle = self.lifespan.is_idle
        app = self._app
        if app is None or (is_idle and (app.frozen or app is self._embedding.past)):
            app, self._app_loop = self._make_app(), None
            self._app = app
        if not is_idle and self._exit is None:
            app.freeze()
        return app

    def _make_app(self) -> web.Application:
        app = DriverApplication(self._fastapi_hint)
        self._embedding.install(app, claims_all=True)
        return app

    def _app_to_serve(self) -> web.Application:
        """Choose the application to serve: the one that the user has taken, or else a new one.

        Raises:
            LifecycleError: aiohttp has bound the user's application to another event loop.
        """
        has_lived_elsewhere = self._app is not None and self._app.frozen and self._app_loop is None
        if self._app is None or not self._app_is_taken or has_lived_elsewhere:
            self._app, self._app_loop = self._make_app(), None
        loop = asyncio.get_running_loop()
        if self._app_loop not in (None, loop):
            raise LifecycleError(
                "server_app serves on one event loop only: to run() a second time make a new"
                " driver, or take server_app anew"
            )
        self._app_loop = loop
        return self._app

    def transports(self) -> Iterator[asyncio.Transport | None]:
        """List the open connections of the server, as far as they are known."""
        return self._transport.transports()

    def attach(self, app: web.Application) -> None:
        """Serve at the root of an application that exists, and live and stop with it."""
        self._use.begin()
        self._embedding.install(app, claims_all=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start, and stop at the end; see ``HostedDriver.lifespan``."""
        self._use.begin()
        await self.lifespan.start()
        try:
            yield
        finally:
            await self.lifespan.stop()

    def run(self, where: Listening | None) -> None:
        """Run in this process until a signal or ``exit()``; see ``HostedDriver.run``."""
        self._use.begin()
        try:
            with supervision(self._counts) as self.systemd:
                serve_process(
                    self.serve(where, hint="; Ctrl+C again cuts it off"),
                    self.lifespan,
                    loop=self._options.loop,
                    log_level=getattr(self._config, "log_level", None) or DEFAULT_LEVEL,
                    stop=self._stop_by_signal,
                    failed=self.systemd.failed,
                )
        finally:
            self.systemd = Systemd()

    async def serve(
        self, where: Listening | None, started: Started | None = None, hint: str = ""
    ) -> None:
        """Run on a loop that runs already, until ``exit()``; see ``HostedDriver.serve``.

        Args:
            where: Where to listen; None listens nowhere.
            started: Called with the addresses once connections are accepted.
            hint: What a person can do while the driver stops, for the log.

        Raises:
            StartupError: An address cannot be bound, or a startup hook failed.
            ValidationError: The port is not a valid port number, or a file of TLS cannot be used.
            LifecycleError: It runs already, or ``server_app`` is bound to another event loop.
        """
        self._use.begin()
        if self._exit is not None or not self.lifespan.is_idle:
            # Here and not when the start fails, because undoing that would stop whoever runs it.
            raise LifecycleError("The driver runs already, here or in another host")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._exit = lambda: loop.call_soon_threadsafe(stop.set)
        if self._stop_asked:
            stop.set()
        try:
            with limited_loggers():
                await self._listener.open(self.systemd.sockets.named(OPERATIONS), strict=True)
                try:
                    self._server = self._make_server(where)
                    await self._serve_until(stop, self._server, started, hint)
                finally:
                    await self._listener.close()
        finally:
            self._exit = None
            self._server = None
            self._stop_asked = False
            self._embedding.own = None

    def _make_server(self, where: Listening | None) -> Server | _Nowhere:
        if where is None:
            self._warn_of_sockets()
            return _Nowhere(self.lifespan)
        app = self._embedding.own = self._app_to_serve()
        where = replace(where.completed(self._config), given=self.systemd.sockets)
        return Server(app, self._transport, self.lifespan, self._options, where)

    def _warn_of_sockets(self) -> None:
        if self.systemd.sockets.for_public:
            logger.warning(
                "systemd has opened sockets, but run(listen=False) serves none of them, so whoever"
                " connects waits for ever: disable the socket unit"
            )

    async def _serve_until(
        self, stop: asyncio.Event, server: Server | _Nowhere, started: Started | None, hint: str
    ) -> None:
        self.systemd.starting()
        try:
            await server.start(stop, started)
            self.systemd.ready()
            await stop.wait()
            seconds = self._options.drain_timeout
            logger.info("Stopping, up to {:g} s for what runs{}", seconds, hint)
        except Stopped:
            logger.info("Stopped before the startup had ended")
        finally:
            self.systemd.stopping(self.lifespan.stop_limit)
            await server.stop()
        all_ended = self.lifespan.deadline.all_ended
        logger.info("Stopped" if all_ended else "Stopped; not all that ran has ended")

    def _stop_by_signal(self) -> None:
        # Remembered, because a signal may come before the serving has begun.
        self._stop_asked = True
        if self._exit is not None:
            self._exit()

    def exit(self) -> None:
        """Stop ``run()`` or ``serve()`` from code; may be called from any thread."""
        if self._exit is None:
            logger.warning(
                "exit() stops run() and serve(): this driver does not run, or is hosted elsewhere"
            )
        else:
            self._exit()


class _Nowhere:
    """Stands for the server of a process that only connects to platforms."""

    certificates = None

    def __init__(self, lifespan: Lifespan) -> None:
        self._lifespan = lifespan

    async def start(self, stop: asyncio.Event, started: Started | None) -> None:
        """Start the driver; see ``Server.start``."""
        await race(self._lifespan.start(), stop, grace=self._lifespan.start_grace)
        logger.info("Running without listening")
        if started is not None:
            started([])

    async def stop(self) -> None:
        """Stop the driver."""
        await self._lifespan.stop()
