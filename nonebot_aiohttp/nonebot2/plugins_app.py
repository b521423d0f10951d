"""The FastAPI application that plugins get with ``aiohttp_fastapi=true``.

Only this module imports FastAPI, which is an extra.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from nonebot.compat import model_dump, type_validate_python
from nonebot.config import Config
from nonebot.drivers import HTTPServerSetup, WebSocketServerSetup
from pydantic import BaseModel, Field

from ..connections.asgi_websocket import Receive, Send
from ..exceptions import ValidationError
from ..reverse.asgi_transport import Application, Scope
from ..reverse.gate import Gate
from ..reverse.guests.guest import Guest, Kept

try:
    from fastapi import FastAPI, HTTPException, WebSocket
    from starlette.requests import ClientDisconnect
    from starlette.routing import Match
    from starlette.websockets import WebSocketDisconnect
except ImportError as error:
    text = 'needs FastAPI: pip install "nonebot-aiohttp[fastapi]"'
    raise ValidationError({"aiohttp_fastapi": text}) from error

NAME = "the FastAPI application"
"""Name of the application in the log."""


class FastapiSettings(BaseModel):
    """The settings of NoneBot's own FastAPI driver that concern the application.

    Attributes:
        fastapi_openapi_url: Path of the OpenAPI schema; None turns it off.
        fastapi_docs_url: Path of the Swagger page; None turns it off.
        fastapi_redoc_url: Path of the ReDoc page; None turns it off.
        fastapi_include_adapter_schema: Whether the schema lists the adapters' routes.
        fastapi_extra: More arguments of ``FastAPI``.
    """

    fastapi_openapi_url: str | None = None
    fastapi_docs_url: str | None = None
    fastapi_redoc_url: str | None = None
    fastapi_include_adapter_schema: bool = True
    fastapi_extra: dict[str, Any] = Field(default_factory=dict)


class PluginsApp(FastAPI):
    """The application of plugins, behind the bot's own paths.

    As an ASGI application it serves the whole bot, like that of NoneBot's own driver: for
    ``uvicorn bot:app``, where ``app`` is ``nonebot.get_app()``, or for a test client. The driver
    itself calls ``as_guest``, which serves the plugins' pages only.

    Attributes:
        bot: The bot as an ASGI application, which passes requests for other paths to ``as_guest``.
    """

    bot: Application

    def __init__(self, config: Config) -> None:
        """Make an application as NoneBot's own driver does, from the same settings."""
        # NoneBot's compatibility layer reads the configuration under pydantic 1 and 2.
        settings = type_validate_python(FastapiSettings, model_dump(config))
        super().__init__(
            openapi_url=settings.fastapi_openapi_url,
            docs_url=settings.fastapi_docs_url,
            redoc_url=settings.fastapi_redoc_url,
            **settings.fastapi_extra,
        )
        self._lists_adapters = settings.fastapi_include_adapter_schema
        self.as_guest: Application = partial(FastAPI.__call__, self)

    def begin(self) -> None:
        """Build the middleware before the startup functions run, as NoneBot's own driver does.

        Startup functions of plugins wrap ``middleware_stack``.
        """
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the whole bot."""
        await self.bot(scope, receive, send)

    def list_http(self, setup: HTTPServerSetup) -> None:
        """List an adapter's route, which the driver serves itself."""
        self.add_api_route(
            setup.path.path,
            _served_before,
            name=setup.name,
            methods=[setup.method],
            include_in_schema=self._lists_adapters,
        )

    def list_websocket(self, setup: WebSocketServerSetup) -> None:
        """List an adapter's WebSocket, which the driver serves itself."""
        self.add_api_websocket_route(setup.path.path, _accepted_before, name=setup.name)

    def has_route(self, scope: Scope) -> bool:
        """Tell whether there is a route for the path and the method of a request.

        For a CORS preflight, which middleware answers, a route with another method is enough.
        """
        wanted = {Match.FULL}
        if scope.get("method") == "OPTIONS" and _asks_for_method(scope):
            wanted.add(Match.PARTIAL)
        return any(route.matches(scope)[0] in wanted for route in self.router.routes)


def _asks_for_method(scope: Scope) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


async def _served_before() -> None:
    # Only a path that equals an adapter's after decoding a slash (%2F) gets here.
    raise HTTPException(404)


async def _accepted_before(websocket: WebSocket) -> None:
    await websocket.close()


def make_guest(app: PluginsApp, gate: Gate, kept: Kept, silence: float) -> Guest:
    """Make the guest that serves the application within the driver; see ``Guest``.

    Args:
        silence: Seconds to wait for the next part of a request's body.
    """
    return Guest(
        app.as_guest,
        NAME,
        has_route=app.has_route,
        ends=(ClientDisconnect, WebSocketDisconnect),
        gate=gate,
        kept=kept,
        silence=silence,
    )
