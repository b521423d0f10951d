"""The reference under uvicorn: one ASGI function that reads the body, starts a handler, answers."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn

from ..control import Control
from .support import handle_event, start_eagerly, tally

UVICORN: dict[str, Any] = {"host": "127.0.0.1", "log_level": "warning", "access_log": False}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
BODY = {"type": "http.response.body", "body": b""}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Handle one event, or the lifespan."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    start_eagerly(asyncio.get_running_loop(), handle_event(body))
    await send(START)
    await send(BODY)


async def lifespan(receive: Any, send: Any) -> None:
    """Confirm the start and the stop."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


if __name__ == "__main__":
    Control(tally)
    uvicorn.run(application, port=int(sys.argv[1]), **UVICORN)
