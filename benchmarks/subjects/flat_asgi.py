"""The limit of a webhook over ASGI: all that the driver promises, in a single function.

What the driver is slower by than this is the price of its layers; what this is slower by than the
raw function is the price of the promises.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn

from nonebot_aiohttp import Driver
from nonebot_aiohttp.drivers import HTTPRequest
from nonebot_aiohttp.reverse.asgi import _NAMES, response_events
from nonebot_aiohttp.reverse.asgi_body import BodyReader
from nonebot_aiohttp.reverse.endpoints import Endpoints, no_such_adapter, refusal_of
from nonebot_aiohttp.reverse.interface import ACKNOWLEDGED, Refused, body_too_slow, new_request

from ..control import Control
from .raw_asgi import UVICORN
from .seed import make_driver
from .support import tally

Application = Any


def flatten(driver: Driver) -> Application:  # noqa: C901 - to have no layers is its purpose
    """Make an application that serves the usual webhook by itself.

    Args:
        driver: Whose application serves the rest: first requests of a path, those of browsers, and
            what is refused before its body is read.

    Returns:
        An ASGI 3 application.
    """
    layered = driver.asgi
    endpoints = driver._host._face.endpoints
    assert isinstance(endpoints, Endpoints)
    gate, handlers, adapters = endpoints._gate, endpoints._handlers, endpoints._adapters
    lifespan, webhooks, known = gate.lifespan, endpoints.webhooks, _NAMES.known
    reader = BodyReader(driver.options)
    digits, limit = reader._digits, reader._limit
    current_task, get_running_loop = asyncio.current_task, asyncio.get_running_loop

    async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: C901
        if scope["type"] != "http" or scope.get("root_path"):
            return await layered(scope, receive, send)
        path, method, raw = scope["path"], scope["method"], scope["headers"]
        target = webhooks.get(path) if method == "POST" else None
        if target is None or not lifespan.running or type(raw) is not list:
            return await layered(scope, receive, send)
        try:
            headers = {known[name]: value.decode() for name, value in raw}
        except (KeyError, UnicodeDecodeError):
            return await layered(scope, receive, send)
        if (
            len(headers) != len(raw)
            or "origin" in headers
            or len(headers.get("content-length", "")) >= digits
        ):
            return await layered(scope, receive, send)
        loop = get_running_loop()
        if loop is not reader._timer_loop:
            reader._set_timer(loop)
        task: Any = current_task(loop)
        entered = False
        try:
            reader._reading[task] = reader._looks
            try:
                event = await receive()
                body = event.get("body")
                if body is None or event.get("more_body") or len(body) > limit:
                    body = await reader._read_on(event, receive)
            except asyncio.CancelledError:
                if reader._take_back(task):
                    raise body_too_slow(reader._seconds) from None
                raise
            finally:
                reader._reading.pop(task, None)
                if reader._overdue:
                    reader._take_back(task)
            request = new_request(HTTPRequest)
            request.http_version = scope.get("http_version", "1.1")
            request.scheme = scope.get("scheme") or "http"
            request.path = path
            request.query_string = scope.get("query_string", b"")
            request.headers = headers
            request.method = method
            request.body = body
            if gate.lifespan.running and gate.inflight < gate.limit:
                gate.inflight += 1
            else:
                gate.enter(request)
            entered = True
            adapter = adapters.get(target.adapter)
            if adapter is None:
                raise no_such_adapter()
            self_id, response = await adapter.check_permission(driver, request)
            if not self_id or not str(self_id).isprintable():
                raise refusal_of(self_id, response)
            bot: Any = adapter.__new__(adapter)
            bot.driver = driver
            bot.config = driver.config
            bot.__init__(self_id, request)
            if not lifespan.running:
                raise gate.not_running()
            if loop is not handlers._loop:
                handlers.bind()
            try:
                handler = handlers._new_task(bot.handle_message(request.body))
            except (KeyboardInterrupt, SystemExit):
                handlers._log_cut_off(target.adapter, 1)
                raise
            if not handler.done():
                handlers.add(handler, target.adapter)
                gate.inflight += 1
                handler.add_done_callback(endpoints._leave)
            elif handler.cancelled() or handler.exception() is not None:
                handlers.add(handler, target.adapter)
            answer = response or ACKNOWLEDGED
        except Refused as refused:
            answer = endpoints.refuse(target, refused)
        except Exception as error:
            if not entered:
                raise
            answer = endpoints._answer(target.adapter, error)
        finally:
            if entered:
                gate.inflight -= 1
        if answer is not ACKNOWLEDGED:
            start, end = response_events(answer)
        else:
            headers_sent = [(b"content-length", b"0")]
            start = {"type": "http.response.start", "status": 200, "headers": headers_sent}
            end = {"type": "http.response.body", "body": b""}
        await send(start)
        await send(end)
        return None

    return application


if __name__ == "__main__":
    port = sys.argv[1]
    Control(tally)
    uvicorn.run(flatten(make_driver(port)), port=int(port), **UVICORN)
