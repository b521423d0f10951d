"""A small adapter that does right what the suites of the kit ask for, by each of the four ways.

An event is ``{"id": 1, "text": "...", "sender": {"name": "..."}}``. The bot says something by
``POST /say``, or over its WebSocket by ``{"call": 1, "text": "..."}``, which is answered
``{"call": 1}``. `bad_adapters` has adapters that do one thing wrong.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from nonebot.adapters import Adapter as BaseAdapter
from nonebot.adapters import Bot as BaseBot
from nonebot.adapters import Event as BaseEvent
from nonebot.adapters import Message as BaseMessage
from nonebot.adapters import MessageSegment as BaseMessageSegment
from nonebot.drivers import (
    URL,
    Driver,
    HTTPServerSetup,
    Request,
    Response,
    WebSocket,
    WebSocketServerSetup,
)
from nonebot.log import logger
from nonebot.message import handle_event

from nonebot_aiohttp.testing.inside.telling import tell

TOKEN = "Bearer token"

HTTP, SOCKET = "/good", "/good/ws"

PAUSE = 0.1
"""Seconds between two attempts."""


class Segment(BaseMessageSegment["Message"]):
    @classmethod
    def get_message_class(cls) -> type[Message]:
        return Message

    def __str__(self) -> str:
        return str(self.data["text"])

    def is_text(self) -> bool:
        return True


class Message(BaseMessage[Segment]):
    @classmethod
    def get_segment_class(cls) -> type[Segment]:
        return Segment

    @staticmethod
    def _construct(msg: str) -> Iterable[Segment]:
        yield Segment("text", {"text": msg})


class Event(BaseEvent):
    text: str

    def get_type(self) -> str:
        return "message"

    def get_event_name(self) -> str:
        return "message"

    def get_event_description(self) -> str:
        return self.text[:20]

    def get_user_id(self) -> str:
        return "friend"

    def get_session_id(self) -> str:
        return "friend"

    def get_message(self) -> Message:
        return Message(self.text)

    def is_tome(self) -> bool:
        return True


class Bot(BaseBot):
    async def send(self, event: BaseEvent, message: Any, **kwargs: Any) -> Any:
        return await self.call_api("say", text=str(message))


class Adapter(BaseAdapter):
    """The adapter; the setting ``way`` says by which way, and ``root`` where the platform is."""

    @classmethod
    def get_name(cls) -> str:
        return "Good"

    def __init__(self, driver: Driver, **kwargs: Any) -> None:
        super().__init__(driver, **kwargs)
        self.way: str = getattr(self.config, "way")  # noqa: B009 - mypy does not know it
        self.root: str = getattr(self.config, "root")  # noqa: B009
        self.bot = Bot(self, "1")
        self.sockets: list[WebSocket] = []
        self.handlers: set[asyncio.Task[None]] = set()
        self.loops: list[asyncio.Task[None]] = []
        self.numbers = itertools.count(1)
        self.waiting: dict[int, asyncio.Future[None]] = {}
        for path in self.paths():
            if self.way == "webhook":
                webhook = HTTPServerSetup(URL(path), "POST", "webhook", self.webhook)
                self.setup_http_server(webhook)
            if self.way == "reverse":
                self.setup_websocket_server(WebSocketServerSetup(URL(path), "socket", self.serve))
        driver.on_startup(self.start)
        driver.on_shutdown(self.stop)

    def paths(self) -> list[str]:
        return [HTTP if self.way == "webhook" else SOCKET]

    async def start(self) -> None:
        if self.way in ("webhook", "polling"):
            self.bot_connect(self.bot)
        if self.way in ("forward", "polling"):
            again = self.connect if self.way == "forward" else self.poll
            self.loops.append(asyncio.create_task(again()))

    async def stop(self) -> None:
        if self.way == "polling":
            await self.end_loops()
        if self.handlers:
            await asyncio.wait(self.handlers, timeout=10)
        await self.end_loops()
        for websocket in self.sockets[:]:
            await websocket.close(1001)
            self.leave(websocket)
        if self.way in ("webhook", "polling"):
            self.bot_disconnect(self.bot)

    async def end_loops(self) -> None:
        for loop in self.loops:
            loop.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)

    # What comes.

    async def take_message(self, message: str | bytes) -> None:
        """Take what came over a WebSocket, whatever it is."""
        try:
            data = json.loads(message)
        except (ValueError, RecursionError):
            return
        if isinstance(data, dict) and "call" in data:
            waiting = self.waiting.get(data["call"])
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        else:
            await self.take(data)

    async def take(self, data: Any) -> bool:
        """Start to handle an event; tell whether it is one."""
        try:
            text, _ = data["text"], data["sender"]["name"]
        except (KeyError, TypeError):
            return False
        self.handle(text)
        return True

    def handle(self, text: str) -> None:
        handler = asyncio.create_task(handle_event(self.bot, Event(text=text)))
        self.handlers.add(handler)
        handler.add_done_callback(self.handlers.discard)

    def allows(self, shown: str | None) -> bool:
        return shown == TOKEN

    # The API.

    async def _call_api(self, bot: BaseBot, api: str, **data: Any) -> Any:
        await self.say(data["text"])

    async def say(self, text: str) -> None:
        await (self.say_over_http(text) if self.way in ("webhook", "polling") else self.ask(text))

    async def say_over_http(self, text: str) -> None:
        answer = await self.post(text)
        while answer.status_code == 429 and "Retry-After" in answer.headers:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            answer = await self.post(text)
        if answer.status_code != 200:
            raise RuntimeError(f"answered {answer.status_code}")

    async def post(self, text: str) -> Response:
        return await self.request(Request("POST", f"{self.root}/say", json={"text": text}))

    async def ask(self, text: str) -> None:
        number = next(self.numbers)
        waiting = self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.sockets[-1].send(json.dumps({"call": number, "text": text}))
            await waiting
        finally:
            del self.waiting[number]

    # The four ways.

    async def webhook(self, request: Request) -> Response:
        if not self.allows(request.headers.get("Authorization")):
            return await self.refuse(request)
        try:
            data = json.loads(request.content or b"")
        except (ValueError, RecursionError):
            return Response(400)
        return Response(204 if await self.take(data) else 400)

    async def refuse(self, request: Request) -> Response:
        return Response(401)

    async def serve(self, websocket: WebSocket) -> None:
        if not self.allows(websocket.request.headers.get("Authorization")):
            await websocket.close(1008)
            return
        await websocket.accept()
        # Drivers have errors of their own for an end.
        with suppress(Exception):
            await self.read(websocket)

    async def read(self, websocket: WebSocket) -> None:
        """Take all that comes over a WebSocket, to its end."""
        self.sockets.append(websocket)
        try:
            if len(self.sockets) == 1:
                self.bot_connect(self.bot)
            while True:
                await self.take_message(await websocket.receive())
        finally:
            self.leave(websocket)

    def leave(self, websocket: WebSocket) -> None:
        if websocket not in self.sockets:
            return
        self.sockets.remove(websocket)
        if not self.sockets:
            for waiting in self.waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("the WebSocket has ended"))
            self.bot_disconnect(self.bot)

    async def connect(self) -> None:
        while True:
            try:
                async with self.websocket(self.handshake()) as websocket:
                    await self.read(websocket)
            except Exception as error:
                await self.failed(error, PAUSE)

    def handshake(self) -> Request:
        url = f"{self.root.replace('http', 'ws', 1)}/ws"
        return Request("GET", url, headers={"Authorization": TOKEN})

    async def poll(self) -> None:
        offset = 0
        while True:
            pause = PAUSE
            try:
                asked = {"offset": str(offset)}
                request = Request("GET", f"{self.root}/updates", params=asked, timeout=60)
                answer = await self.request(request)
                pause = float(answer.headers.get("Retry-After", PAUSE))
                events = self.events_in(answer)
            except Exception as error:
                await self.failed(error, pause)
                continue
            for event in events:
                offset = self.after(offset, event)
                await self.take(event)

    def events_in(self, answer: Response) -> list[Any]:
        events = json.loads(answer.content or b"")
        if answer.status_code != 200 or not isinstance(events, list):
            raise RuntimeError(f"answered {answer.status_code} {events!r:.100}")
        return events

    def after(self, offset: int, event: Any) -> int:
        return max(offset, int(event["id"]) + 1)

    async def failed(self, error: Exception, pause: float) -> None:
        logger.warning(f"The next attempt is in {pause} s, because of {error!r:.200}")
        tell("failed", error=repr(error)[:100])
        await asyncio.sleep(pause)
