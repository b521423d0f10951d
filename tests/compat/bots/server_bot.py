"""A bot without an adapter: routes that show what the driver's server half hands over."""

import asyncio
import json
from typing import IO, Any

import hosting
import nonebot
from nonebot.drivers import (
    URL,
    HTTPServerSetup,
    Request,
    Response,
    WebSocket,
    WebSocketServerSetup,
)
from nonebot.exception import WebSocketClosed

from nonebot_aiohttp.testing import tell


def describe(request: Request) -> dict[str, Any]:
    """Show all of a request as JSON can carry it: bytes as Latin-1."""
    return {
        "method": request.method,
        "url": str(request.url),
        "headers": list(request.headers.items()),
        "cookies": {cookie.name: cookie.value for cookie in request.cookies},
        "version": request.version.value,
    }


def _read(file: IO[bytes] | bytes) -> bytes:
    return file if isinstance(file, bytes) else file.read()


def describe_body(request: Request) -> dict[str, Any]:
    """Show the body, raw and parsed."""
    content = request.content
    assert content is None or isinstance(content, bytes), type(content)
    return {
        "content": (content or b"").decode("latin-1"),
        "json": request.json,
        "data": request.data or {},
        "files": [
            [name, filename, kind, _read(file).decode("latin-1")]
            for name, (filename, file, kind) in request.files or []
        ],
    }


async def inspect(request: Request) -> Response:
    """Answer with all that has arrived."""
    found = {**describe(request), **describe_body(request)}
    return Response(200, content=json.dumps(found))


async def text(request: Request) -> Response:
    return Response(201, content="文字", headers={"Content-Type": "text/plain; charset=utf-8"})


async def binary(request: Request) -> Response:
    headers = {"Content-Type": "image/x-mine", "X-Kind": "binary", "Set-Cookie": "a=1; Path=/"}
    return Response(200, content=b"\x00\xff", headers=headers)


async def nothing(request: Request) -> Response:
    return Response(204)


async def twice(request: Request) -> Response:
    return Response(200, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], content="")


async def page(request: Request) -> Response:
    """Answer without a type, as text or as bytes."""
    content = "<p>页"
    return Response(200, content=content.encode() if "bytes" in request.url.query else content)


async def number(request: Request) -> Response:
    """Answer with a header whose value is not text."""
    headers: Any = {"X-Number": 1}
    return Response(200, content="number", headers=headers)


async def fail(request: Request) -> Response:
    raise RuntimeError("this handler always fails")


async def denied(request: Request) -> Response:
    return Response(403, content="wrong token\nand more")


async def late(request: Request) -> Response:
    """Add a route and a WebSocket while the server is running."""
    http("GET", "/late/added", text)
    ws("/late/ws", ws_echo)
    return Response(204)


async def hold(request: Request) -> None:
    """Connect to the test's port, and wait until the test closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(request.url.query["port"]))
    await reader.read()
    writer.close()


def note_end(ws: WebSocket, end: WebSocketClosed) -> None:
    """Note how a WebSocket ended, under the name that its client gave it."""
    name = ws.request.url.query.get("name", "")
    tell(f"closed {name}", code=end.code, reason=end.reason or "", closed=ws.closed)


async def ws_echo(ws: WebSocket) -> None:
    """Send back all messages, and note the end."""
    await ws.accept()
    try:
        while True:
            await ws.send(await ws.receive())
    except WebSocketClosed as end:
        note_end(ws, end)


async def ws_inspect(ws: WebSocket) -> None:
    await ws.accept()
    request = ws.request
    body = {"content": request.content, "data": request.data, "files": request.files}
    await ws.send(json.dumps({**describe(request), **body, "json": request.json}))
    await ws.close()


async def ws_refuse(ws: WebSocket) -> None:
    await ws.close(1008, "not you")


async def ws_refuse_first(ws: WebSocket) -> None:
    """Refuse, and go on until the test closes its connection."""
    await ws.close()
    await hold(ws.request)
    tell("the refusing function is done")


async def ws_return(ws: WebSocket) -> None:
    return


async def ws_raise(ws: WebSocket) -> None:
    raise RuntimeError("this handler always fails")


async def ws_close(ws: WebSocket) -> None:
    """Close with what the query says, twice."""
    await ws.accept()
    await ws.close(int(ws.request.url.query["code"]), ws.request.url.query["reason"])
    tell(f"closed {ws.request.url.query['name']}", closed=ws.closed)


def http(method: str, path: str, handle: Any) -> None:
    setup = HTTPServerSetup(URL(path), method, f"{method} {path}", handle)
    nonebot.get_driver().setup_http_server(setup)  # type: ignore[attr-defined]


def ws(path: str, handle: Any) -> None:
    setup = WebSocketServerSetup(URL(path), path, handle)
    nonebot.get_driver().setup_websocket_server(setup)  # type: ignore[attr-defined]


def register() -> None:
    """Register everything that is there from the start."""
    for method in ("GET", "POST", "PUT"):
        http(method, "/inspect", inspect)
    http("POST", "/param/{name}", inspect)
    http("POST", "/deep/{rest:path}", inspect)
    http("post", "/lower", text)
    answers = {"text": text, "binary": binary, "nothing": nothing, "twice": twice, "fail": fail}
    answers |= {"page": page, "number": number}
    http("POST", "/page", page)
    http("POST", "/denied", denied)
    http("GET", "/order/{name}", text)
    http("GET", "/order/plain", binary)
    for name, handle in {**answers, "late": late}.items():
        http("GET", f"/{name}", handle)
    sockets = {
        "echo": ws_echo,
        "inspect": ws_inspect,
        "refuse": ws_refuse,
        "refuse-first": ws_refuse_first,
        "return": ws_return,
        "raise": ws_raise,
        "close": ws_close,
        "param/{name}": ws_inspect,
    }
    for name, handle_ws in sockets.items():
        ws(f"/ws/{name}", handle_ws)


if __name__ == "__main__":
    nonebot.init()
    register()
    hosting.run()
