"""``Direct``: the short way of the own process, past aiohttp's application, for known webhooks.

Routing, and a request object that can do all that handlers of a site want, are most of what a
webhook would pay beyond its handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from ..reverse.aiohttp_transport import AiohttpTransport, unknown_expectation
from ..reverse.answers import has_encoding


class WebhookRequest(web.BaseRequest):
    """A request for a webhook that is known.

    Attributes:
        target: What ``Endpoints.find`` has returned.
    """

    ATTRS = web.BaseRequest.ATTRS | {"target"}

    target: Any


class Direct:
    """Takes requests for known webhooks out of an application's server, and leaves it the others.

    A webhook is known when the application has led a request to it once: an application's own
    routes of the same paths come first. Its middleware and signals are for all requests: with any
    of them there is no short way.
    """

    def __init__(self, server: web.Server, app: web.Application, face: AiohttpTransport) -> None:
        """Put itself in front of an application."""
        self._face = face
        face.server = server
        self._loop = asyncio.get_running_loop()
        self._app_request: Callable[..., web.BaseRequest] = server.request_factory
        self._app_handler: Callable[[Any], Awaitable[web.StreamResponse]] = server.request_handler
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

    def _handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        # No coroutine, whose frame each idle WebSocket would keep.
        if self._face.turns.is_over(request.protocol):
            return self._after_a_turn(request)
        return self._answer(request)

    def _answer(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if type(request) is WebhookRequest:
            return self._face.webhook(request.target, request)
        if not has_encoding(request.headers.get(hdrs.EXPECT, "")):
            return refuse_expectation()
        return self._app_handler(request)

    async def _after_a_turn(self, request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0)
        return await self._answer(request)


async def refuse_expectation() -> web.StreamResponse:
    """Refuse an ``Expect`` that is no UTF-8, on which aiohttp's own way fails."""
    return unknown_expectation()
