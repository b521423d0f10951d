"""A real HTTP and WebSocket server that keeps what it was sent and answers as told."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict

from .network import serving


@dataclass
class Seen:
    method: str
    target: str
    """The path and the query as they stood in the request line."""
    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    cookies: dict[str, str]
    body: bytes
    version: str

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Part:
    name: str
    filename: str | None
    content_type: str | None
    data: bytes


def parse_multipart(seen: Seen) -> list[Part]:
    """Take a multipart body apart, with the file names exactly as they were sent."""
    match = re.search(r'boundary="?([^";]+)"?', seen.header("Content-Type")[0])
    assert match, "the boundary is missing"
    chunks = seen.body.split(b"--" + match.group(1).encode())[1:-1]
    return [_parse_part(chunk) for chunk in chunks]


def _parse_part(chunk: bytes) -> Part:
    head, _, data = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    text = head.decode()
    name = re.search(r'[; ]name="([^"]*)"', text)
    filename = re.search(r'filename="([^"]*)"', text)
    kind = re.search(r"(?im)^content-type: (.+?)\r?$", text)
    assert name, text
    return Part(
        name.group(1),
        filename.group(1) if filename else None,
        kind.group(1) if kind else None,
        data.removesuffix(b"\r\n"),
    )


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _say_ok(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


@dataclass
class Recorder:
    """The server's address, what it has seen, and what it answers by path."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the answers that wait: set it to let a stalled request go on."""

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def url(self, path: str = "/", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def answer(self, path: str) -> Callable[[Answer], Answer]:
        """Decorate the function that answers a path; others get ``200 ok``."""

        def decorate(function: Answer) -> Answer:
            self.answers[path] = function
            return function

        return decorate

    def respond(self, path: str, *headers: tuple[str, str], status: int = 200) -> None:
        """Answer a path with a status and headers, without a body."""

        @self.answer(path)
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=CIMultiDict(headers))

    def stall(self, path: str, text: str = "ok") -> None:
        """Answer a path when `release` is set."""

        @self.answer(path)
        async def answer(request: web.Request) -> web.StreamResponse:
            await self.release.wait()
            return web.Response(text=text)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(await _record(request))
        return await self.answers.get(request.path, _say_ok)(request)


async def _record(request: web.Request) -> Seen:
    return Seen(
        request.method,
        request.raw_path,
        request.path,
        list(request.query.items()),
        list(request.headers.items()),
        dict(request.cookies),
        await request.read(),
        f"{request.version.major}.{request.version.minor}",
    )


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """Run a `Recorder` on a free port of the loopback interface."""
    recorder = Recorder()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", recorder.handle)
    async with serving(app) as recorder.port:
        try:
            yield recorder
        finally:
            recorder.release.set()


@asynccontextmanager
async def websocket(request: web.Request) -> AsyncIterator[web.WebSocketResponse]:
    """Accept a WebSocket in an answer, and close it at the end."""
    ws = web.WebSocketResponse(max_msg_size=0)
    await ws.prepare(request)
    try:
        yield ws
    finally:
        await ws.close(code=WSCloseCode.GOING_AWAY)


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer a WebSocket by sending back each message as the kind that it was."""
    async with websocket(request) as ws:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
    return ws
