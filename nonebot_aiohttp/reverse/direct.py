"""``Direct``: the short way of the own process, past aiohttp's application, for known webhooks.

Routing, and a request object that can do all that handlers of a site want, are most of what a
webhook would pay beyond its handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web

from .answers import has_encoding
from .server import AiohttpFace


class WebhookRequest(web.BaseRequest):
    """A request for a webhook that is known.

    Attributes:
        target: What ``Reachable.find`` has returned.
    """

    ATTRS = web.BaseRequest.ATTRS | {"target"}

    target: Any


class Direct:
    """Takes requests for known webhooks out of an application's server, and leaves it the others.

    A webhook is known when the application has led a request to it once: an application's own
    routes of the same paths come first. Its middleware and signals are for all requests: with any
    of them there is no short way.
    """

    def __init__(self, server: web.Server, app: web.Application, face: AiohttpFace) -> None:
        """Put itself in front of an application."""
        self._face = face
        face.server = server
        self._loop = asyncio.get_running_loop()
        self._app_request: Callable[..., web.BaseRequest] = server.request_factory
        self._app_handler: Callable[[Any], Any] = server.request_handler
        self._webhooks = face.endpoints.webhooks
        # Another host may have found them, where nothing came before them.
        self._webhooks.clear()
        if not app.middlewares and not app.on_response_prepare:
            server.request_factory = self._make_request
        server.request_handler = self._handle

    def _make_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        # An encoded path is decoded by the router's rules.
        if message.method == "POST" and hdrs.EXPECT not in message.headers:
            target = self._webhooks.get(message.url.raw_path)
            if target is not None:
                request = WebhookRequest(message, payload, protocol, writer, task, self._loop)
                request.target = target
                return request
        return self._app_request(message, payload, protocol, writer, task)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._face.turns.is_over(request.protocol):
            await asyncio.sleep(0)
        if type(request) is WebhookRequest:
            return await self._face.webhook(request.target, request)
        if not has_encoding(request.headers.get(hdrs.EXPECT, "")):
            # aiohttp's own way would fail, on paths that nobody has.
            return web.Response(status=417, body=b"unknown expectation")
        response: web.StreamResponse = await self._app_handler(request)
        return response
