"""``Embedding``: the life of a driver within aiohttp applications."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from ..life.lifespan import Lifespan
from ..reverse.aiohttp_transport import AiohttpTransport, LateResource


class Embedding:
    """The life of a driver within applications, which start and stop it by their signals.

    Attributes:
        own: The application that the own process serves, which starts and stops the driver itself.
        past: The last one that has begun its life, or has tried to.
    """

    def __init__(self, face: AiohttpTransport, lifespan: Lifespan) -> None:
        """Take what is put into applications."""
        self.own: web.Application | None = None
        self.past: web.Application | None = None
        self._face = face
        self._lifespan = lifespan
        self._runs_in: web.Application | None = None

    def install(self, app: web.Application, claims_all: bool) -> None:
        """Put the endpoints and the life of the driver into an application.

        Args:
            app: The application, not started yet.
            claims_all: See ``LateResource``.
        """
        app.router.register_resource(LateResource(self._face, claims_all=claims_all))
        app.on_startup.append(self._start)
        # First, for what arrives until then is lost; and the application's own shutdown may close
        # what handlers in flight need.
        app.on_shutdown.insert(0, self._keep_receiving)
        app.on_shutdown.insert(1, self._stop)
        # An application whose later startup fails ends its contexts only.
        app.cleanup_ctx.append(self._stop_at_the_end)

    async def _start(self, app: web.Application) -> None:
        if app is not self.own:
            self.past = app
            await self._lifespan.start()
            self._runs_in = app

    async def _keep_receiving(self, _: web.Application) -> None:
        self._face.keep_receiving()

    async def _stop_at_the_end(self, app: web.Application) -> AsyncIterator[None]:
        yield
        await self._stop(app)

    async def _stop(self, app: web.Application) -> None:
        # Another host may run the driver, because of which the start here has failed.
        if app is self._runs_in:
            self._runs_in = None
            await self._lifespan.stop()
