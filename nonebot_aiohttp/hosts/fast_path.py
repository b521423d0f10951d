"""``FastPath``: in the own process a known webhook does not go through aiohttp's application.

Routing, and a request object that can do everything that a site's handlers want, are most of what
a webhook would cost beyond its handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from ..reverse.aiohttp_transport import AiohttpTransport, unknown_expectation
from ..reverse.answers import has_encoding


class WebhookRequest(web.BaseRequest):
    """A request for a known webhook.

    Attributes:
        target: What ``Endpoints.find`` has returned.
    """

    ATTRS = web.BaseRequest.ATTRS | {"target"}

    target: Any


class FastPath:
    """Takes the requests for known webhooks out of an application's server; the rest pass.

    A webhook is known once the application has routed a request to it, because the application's
    own routes of the same paths come first. Middleware and signals must see all requests, so an
    application that has any gets no fast path.
    """

    def __init__(
        self, server: web.Server, app: web.Application, transport: AiohttpTransport
    ) -> None:
        self._transport = transport
        transport.server = server
        self._loop = asyncio.get_running_loop()
        self._app_request: Callable[..., web.BaseRequest] = server.request_factory
        self._app_handler: Callable[[Any], Awaitable[web.StreamResponse]] = server.request_handler
        self._webhooks = transport.endpoints.webhooks
        # Another host may have found them, where no route came before them.
        self._webhooks.clear()
        if not app.middlewares and not app.on_response_prepare:
            server.request_factory = self._make_request
        server.request_handler = self._handle

    def _make_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        # A path with percent signs is decoded by the router's rules.
        if message.method == "POST" and hdrs.EXPECT not in message.headers:
            target = self._webhooks.get(message.url.raw_path)
            if target is not None:
                request = WebhookRequest(message, payload, protocol, writer, task, self._loop)
                request.target = target
                return request
        return self._app_request(message, payload, protocol, writer, task)

    def _handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        # Not a coroutine function: each idle WebSocket would keep the frame.
        if self._transport.turns.is_over(request.protocol):
            return self._after_a_turn(request)
        return self._answer(request)

    def _answer(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if type(request) is WebhookRequest:
            return self._transport.webhook(request.target, request)
        if not has_encoding(request.headers.get(hdrs.EXPECT, "")):
            return refuse_expectation()
        return self._app_handler(request)

    async def _after_a_turn(self, request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0)
        return await self._answer(request)


async def refuse_expectation() -> web.StreamResponse:
    """Refuse an ``Expect`` that is not UTF-8, on which aiohttp's own handler fails."""
    return unknown_expectation()
