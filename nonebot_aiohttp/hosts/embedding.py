"""``Embedding``: a driver in aiohttp applications, which start and stop it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from ..life.lifespan import Lifespan
from ..reverse.aiohttp_transport import AiohttpTransport, LateResource


class Embedding:
    """Puts the endpoints and the life of a driver into applications, by their signals.

    Attributes:
        own: The application that the own process serves. ``Server`` starts and stops the driver
            around it.
        past: The last application that has started the driver, or has tried to.
    """

    def __init__(self, transport: AiohttpTransport, lifespan: Lifespan) -> None:
        self.own: web.Application | None = None
        self.past: web.Application | None = None
        self._transport = transport
        self._lifespan = lifespan
        self._runs_in: web.Application | None = None

    def install(self, app: web.Application, claims_all: bool) -> None:
        """Put the endpoints and the life of the driver into an application.

        Args:
            app: The application, not started yet.
            claims_all: See ``LateResource``.
        """
        resource = LateResource(self._transport, app.router, claims_all=claims_all)
        app.router.register_resource(resource)
        app.on_startup.append(self._start)
        # First, because what arrives before is lost, and because the application's own shutdown may
        # close what handlers in flight need.
        app.on_shutdown.insert(0, self._keep_receiving)
        app.on_shutdown.insert(1, self._stop)
        # If a later startup hook of the application fails, only its contexts are ended.
        app.cleanup_ctx.append(self._stop_at_the_end)

    async def _start(self, app: web.Application) -> None:
        if app is not self.own:
            self.past = app
            await self._lifespan.start()
            self._runs_in = app

    async def _keep_receiving(self, _: web.Application) -> None:
        self._transport.keep_receiving()

    async def _stop_at_the_end(self, app: web.Application) -> AsyncIterator[None]:
        yield
        await self._stop(app)

    async def _stop(self, app: web.Application) -> None:
        # The start here has failed if another host runs the driver.
        if app is self._runs_in:
            self._runs_in = None
            await self._lifespan.stop()
