"""``Host``: the hosts that a driver runs under, the same for every face."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..exceptions import LifecycleError
from ..life.lifespan import Lifespan, State
from ..life.waiting import Stopped, race
from ..log import logger
from ..options import DriverOptions
from ..reverse.aiohttp_transport import AiohttpTransport
from ..reverse.asgi_transport import AsgiTransport
from ..reverse.bodies import BodyReader
from ..reverse.endpoints import Endpoints
from .application import DriverApplication
from .asgi import AsgiApplication
from .embedding import Embedding
from .library_loggers import limited_loggers
from .process import DEFAULT_LEVEL, serve_process
from .server import Listening, log_stopped, log_stopping, serve_app

if TYPE_CHECKING:
    from ..reverse.guests.guest import Guest


class Host:
    """Runs endpoints and their life in a process of their own, in an application, or under ASGI.

    Attributes:
        lifespan: The order of starting and stopping.
        asgi: The endpoints as an ASGI 3 application.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        lifespan: Lifespan,
        options: DriverOptions,
        config: Any,
        *,
        guest: Guest | None = None,
        fastapi_hint: str,
        asgi_hint: str = "",
    ) -> None:
        """Bind to nothing yet: neither to an event loop nor to a process.

        Args:
            endpoints: The endpoints.
            lifespan: The driver's life.
            options: The driver's settings.
            config: The configuration, for ``host``, ``port`` and ``log_level``.
            guest: An ASGI application behind the endpoints' own paths, if there is one.
            fastapi_hint: See ``DriverApplication``.
            asgi_hint: What is logged once under an ASGI server, if anything.
        """
        self.lifespan = lifespan
        self._bodies = bodies = BodyReader(options)
        self.asgi = AsgiApplication(
            AsgiTransport(endpoints, options, bodies, guest),
            lifespan,
            fastapi_hint=fastapi_hint,
            advice=asgi_hint,
        )
        self._face = AiohttpTransport(endpoints, options, bodies, guest)
        self._fastapi_hint = fastapi_hint
        self._embedding = Embedding(self._face, lifespan)
        self._options = options
        self._config = config
        self._app: web.Application | None = None
        self._app_is_taken = False
        self._app_loop: asyncio.AbstractEventLoop | None = None
        self._exit: Callable[[], object] | None = None
        self._stop_asked = False

    @property
    def server_app(self) -> web.Application:
        """The endpoints as an application of their own: a new one when the last has had its life.

        While the driver runs elsewhere nothing can be added to it, for nobody would serve that.
        """
        self._app_is_taken = True
        is_idle = self.lifespan.state is State.IDLE
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
        """Choose the application for this time: the user's, or else a new one.

        Raises:
            LifecycleError: aiohttp has bound the user's one to another event loop.
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
        """List the connections of servers that are open, as far as they are known."""
        return self._face.transports()

    def attach(self, app: web.Application) -> None:
        """Serve at the root of an application that exists, and live and stop with it."""
        self._embedding.install(app, claims_all=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start, and stop at the end.

        Raises:
            StartupError: A startup hook failed.
        """
        await self.lifespan.start()
        try:
            yield
        finally:
            await self.lifespan.stop()

    def run(self, host: str | None = None, port: int | None = None, **where: Any) -> None:
        """Run in this process until a signal or ``exit()``; see ``Driver.run``.

        Raises:
            SystemExit: With 1 when the start failed, with 130 when a second Ctrl+C forced the end.
        """
        serve_process(
            self._serve(host, port, **where, hint="; Ctrl+C again cuts it off"),
            loop=self._options.loop,
            log_level=getattr(self._config, "log_level", None) or DEFAULT_LEVEL,
            stop=self._stop_by_signal,
            cut_off=self.lifespan.cut_off,
            deadline=lambda: self.lifespan.deadline,
        )

    async def serve(self, host: str | None = None, port: int | None = None, **where: Any) -> None:
        """Run on a loop that runs already, until ``exit()``; see ``Driver.serve``."""
        await self._serve(host, port, **where)

    async def _serve(
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
        hint: str = "",
    ) -> None:
        """Run on a loop that runs already, until ``exit()``.

        Raises:
            StartupError: A port is in use, or a startup hook failed.
            ValidationError: The port is not a valid port number, or a file of TLS cannot be used.
            LifecycleError: It runs already, or ``server_app`` is bound to another event loop.
        """
        if self._exit is not None or self.lifespan.state is not State.IDLE:
            # Here and not when the start fails, whose undoing would stop whoever runs it.
            raise LifecycleError("The driver runs already, here or in another host")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._exit = lambda: loop.call_soon_threadsafe(stop.set)
        if self._stop_asked:
            stop.set()
        where = Listening(
            host=str(host if host is not None else getattr(self._config, "host", "127.0.0.1")),
            port=port if port is not None else getattr(self._config, "port", 8080),
            path=path,
            mode=mode,
            sock=sock,
            ssl_context=ssl_context,
        )
        try:
            if listen:
                app = self._embedding.own = self._app_to_serve()
                with limited_loggers():
                    await serve_app(
                        app, self._face, self.lifespan, where, self._options, stop, started, hint
                    )
            else:
                await self._serve_without_listening(stop, started, hint)
        finally:
            self._exit = None
            self._stop_asked = False
            self._embedding.own = None

    async def _serve_without_listening(
        self, stop: asyncio.Event, started: Callable[[list[Any]], Any] | None, hint: str
    ) -> None:
        try:
            await race(self.lifespan.start(), stop, grace=self.lifespan.start_grace)
            logger.info("Running without listening")
            if started is not None:
                started([])
            await stop.wait()
            log_stopping(self._options, hint)
        except Stopped:
            logger.info("Stopped before the startup had ended")
        finally:
            await self.lifespan.stop()
        log_stopped(self.lifespan.deadline)

    def _stop_by_signal(self) -> None:
        # Remembered, for a signal may come before the serving has begun.
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
