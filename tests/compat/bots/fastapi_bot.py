"""A bot whose plugins add to the FastAPI application that ``nonebot.get_app()`` gives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hosting
import nonebot
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from nonebot.drivers import URL, ASGIMixin, HTTPServerSetup, WebSocketServerSetup
from nonebot.drivers import Request as NonebotRequest
from nonebot.drivers import Response as NonebotResponse
from nonebot.drivers import WebSocket as NonebotWebSocket
from starlette.applications import Starlette
from starlette.websockets import WebSocketDisconnect

from nonebot_aiohttp.testing import tell

nonebot.init()
driver = nonebot.get_driver()
assert isinstance(driver, ASGIMixin)
app: FastAPI = nonebot.get_app()

tell(
    "application",
    get_app=isinstance(app, FastAPI) or type(app).__name__,
    server_app=driver.server_app is app,
    asgi=nonebot.get_asgi() is app,
)


async def hook(request: NonebotRequest) -> NonebotResponse:
    """Answer as an adapter's webhook does."""
    return NonebotResponse(200, content="hook", headers={"Content-Type": "text/plain"})


async def hook_ws(websocket: NonebotWebSocket) -> None:
    """Accept as an adapter's WebSocket does."""
    await websocket.accept()
    await websocket.send("hook")
    await websocket.close()


driver.setup_http_server(HTTPServerSetup(URL("/hook"), "POST", "hook", hook))
driver.setup_websocket_server(WebSocketServerSetup(URL("/hook/ws"), "hook-ws", hook_ws))


@asynccontextmanager
async def living(_: FastAPI) -> AsyncIterator[None]:
    """Note when a plugin's router lives."""
    tell("step", name="router starts")
    if getattr(driver.config, "router_fails", False):
        raise RuntimeError("this router always fails")
    yield
    tell("step", name="router stops")


router = APIRouter(prefix="/plugin", lifespan=living)


def has_token(token: str = "") -> str:
    if token != "secret":
        raise HTTPException(401, "no token")
    return token


@router.get("/items/{number}")
async def item(number: int, token: str = Depends(has_token)) -> dict[str, Any]:
    """Parse and validate as FastAPI does."""
    return {"number": number, "token": token}


@router.get("/sync")
def sync() -> str:
    return "from a thread"


app.include_router(router)


@app.get("/hook")
async def page_of_hook() -> PlainTextResponse:
    """Answer GET where an adapter has its webhook."""
    return PlainTextResponse("a page")


@app.api_route("/show", methods=["GET", "PUT"])
async def show(request: Request) -> dict[str, Any]:
    scope = request.scope
    return {
        "http_version": scope["http_version"],
        "url": str(request.url),
        "client": request.client.host if request.client else None,
        "path": scope["path"],
        "root_path": scope["root_path"],
    }


@app.get("/events")
async def events() -> StreamingResponse:
    """Send events, and note when the client has gone."""

    async def make() -> AsyncIterator[str]:
        try:
            yield "data: first\n\n"
            await asyncio.Event().wait()
        finally:
            tell("events have ended")

    return StreamingResponse(make(), media_type="text/event-stream")


@app.get("/fail")
async def fail() -> None:
    raise RuntimeError("this page always fails")


@app.websocket("/ws")
async def ws_echo(ws: WebSocket) -> None:
    """Send back all messages, and note the end."""
    await ws.accept()
    try:
        while True:
            await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect as end:
        tell("closed", code=end.code, reason=end.reason or "")


@app.websocket("/ws/close")
async def ws_close(ws: WebSocket) -> None:
    await ws.accept(subprotocol="chat" if "chat" in ws.scope["subprotocols"] else None)
    await ws.close(4001, "wrong token")


class Mark:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], (b"x-marked", b"yes")]
            await send(event)

        await self.app(scope, receive, marked)


app.add_middleware(Mark)


@app.exception_handler(404)
async def not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"nothing": request.scope["path"]}, 404)


folder = Path("pages")
folder.mkdir(exist_ok=True)
(folder / "index.html").write_text("<h1>你好</h1>", encoding="utf-8")
app.mount("/pages", StaticFiles(directory=folder, html=True))


@driver.on_startup
async def late() -> None:
    """Add a page when the bot starts, as many plugins do."""
    tell("step", name="startup")
    tell("middleware", is_there=app.middleware_stack is not None)

    @app.get("/late")
    async def page() -> str:
        return "late"


@driver.on_shutdown
async def shutdown() -> None:
    tell("step", name="shutdown")


asgi = nonebot.get_asgi()
server_app: Any = getattr(driver, "aiohttp_app", None)


def site() -> Starlette:
    """Make a Starlette application with the bot in it."""
    return hosting.make_starlette(driver)


if __name__ == "__main__":
    tell("routes", paths=json.dumps([getattr(each, "path", "") for each in app.routes]))
    hosting.run()
