"""Adapters that do one thing wrong each; the setting ``bad`` names the class.

Some have the driver do it, where an adapter alone would not see what comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import Any

from aiohttp import web
from nonebot import get_driver
from nonebot.adapters import Bot as BaseBot
from nonebot.drivers import Request, Response, WebSocket

from .good_adapter import HTTP, PAUSE, SOCKET, TOKEN
from .good_adapter import Adapter as GoodAdapter

HUGE = 1_000_000

HANDLER: Any = web.RequestHandler
"""What takes the bytes of requests in this driver."""


async def forever() -> None:
    await asyncio.Event().wait()


# Events and calls, whichever the way.


class DropsEvents(GoodAdapter):
    def handle(self, text: str) -> None:
        pass


class CutsTexts(GoodAdapter):
    def handle(self, text: str) -> None:
        super().handle(text[:1_000])


class CallsOneByOne(GoodAdapter):
    turn = asyncio.Lock()

    async def say(self, text: str) -> None:
        async with self.turn:
            await super().say(text)


class LeavesATask(GoodAdapter):
    async def start(self) -> None:
        await super().start()
        self.left = asyncio.create_task(forever())


class SaysNothingAfter429(GoodAdapter):
    is_silent = False

    async def post(self, text: str) -> Response:
        if self.is_silent:
            await forever()
        answer = await super().post(text)
        self.is_silent = answer.status_code == 429
        return answer


class CallsAgainAtOnce(GoodAdapter):
    pause = 0.0

    async def say_over_http(self, text: str) -> None:
        if (await self.post(text)).status_code == 429:
            await asyncio.sleep(self.pause)
            await self.say_over_http(text)


class CallsAgainTooSoon(CallsAgainAtOnce):
    pause = 1.0


# WebSockets, both ways.


class StopsReadingAtGarbage(GoodAdapter):
    async def take_message(self, message: str | bytes) -> None:
        try:
            json.loads(message)
        except (ValueError, RecursionError):
            await forever()
        await super().take_message(message)


class DiesAtTinyMessages(GoodAdapter):
    async def take_message(self, message: str | bytes) -> None:
        if len(message) < 3:
            os._exit(3)
        await super().take_message(message)


class ClosesForEverAfterHuge(GoodAdapter):
    is_poisoned = False

    async def take_message(self, message: str | bytes) -> None:
        self.is_poisoned = self.is_poisoned or len(message) > HUGE
        if self.is_poisoned:
            raise RuntimeError("too much")
        await super().take_message(message)

    async def serve(self, websocket: WebSocket) -> None:
        try:
            await super().serve(websocket)
        finally:
            await websocket.close(1009)


class ExitsAtTheStop(GoodAdapter):
    async def stop(self) -> None:
        os._exit(0)


class HidesItsEnd(GoodAdapter):
    def bot_disconnect(self, bot: BaseBot) -> None:
        pass


# Who comes in.


class AcceptsWrongTokens(GoodAdapter):
    def allows(self, shown: str | None) -> bool:
        return shown is not None


class AcceptsNoToken(GoodAdapter):
    def allows(self, shown: str | None) -> bool:
        return shown in (None, TOKEN)


class HandlesWhatItRefuses(GoodAdapter):
    async def refuse(self, request: Request) -> Response:
        await self.take(json.loads(request.content or b""))
        return Response(401)


class Refuses500(GoodAdapter):
    async def refuse(self, request: Request) -> Response:
        return Response(500)


class ServesUnknownPaths(GoodAdapter):
    def paths(self) -> list[str]:
        return [HTTP, f"{HTTP}/nowhere"] if self.way == "webhook" else [SOCKET, f"{SOCKET}/nowhere"]


class WantsWholePieces(GoodAdapter):
    """Its driver drops pieces of a few bytes."""

    async def start(self) -> None:
        loop: Any = asyncio.get_running_loop()
        create = loop.create_connection
        take = HANDLER.data_received

        def data_received(handler: web.RequestHandler, data: bytes) -> None:
            if len(data) > 16:
                take(handler, data)

        async def create_connection(factory: Any, *args: Any, **options: Any) -> Any:
            def make() -> Any:
                protocol = factory()
                received = protocol.data_received
                protocol.data_received = lambda data: received(data) if len(data) > 16 else None
                return protocol

            return await create(make, *args, **options)

        HANDLER.data_received = data_received
        loop.create_connection = create_connection
        await super().start()


class LetsStrangersInForAMoment(GoodAdapter):
    async def serve(self, websocket: WebSocket) -> None:
        if not self.allows(websocket.request.headers.get("Authorization")):
            await websocket.accept()
            self.bot_connect(self.bot)
            await asyncio.sleep(PAUSE)
            await websocket.close(1008)
            return
        await super().serve(websocket)


class NoticesNoEnd(GoodAdapter):
    def leave(self, websocket: WebSocket) -> None:
        pass


class LetsNobodyInAgain(GoodAdapter):
    has_been_used = False

    async def serve(self, websocket: WebSocket) -> None:
        if self.has_been_used:
            await websocket.close(1008)
            return
        self.has_been_used = True
        await super().serve(websocket)


class ForgetsTheSecondConnection(GoodAdapter):
    def leave(self, websocket: WebSocket) -> None:
        self.sockets.clear()
        self.bot_disconnect(self.bot)


class EndsBothConnections(GoodAdapter):
    async def read(self, websocket: WebSocket) -> None:
        if self.sockets:
            await self.sockets[0].close(1008)
            await websocket.close(1008)
            await forever()
        await super().read(websocket)


# Webhooks.


class FailsAtGarbage(GoodAdapter):
    async def webhook(self, request: Request) -> Response:
        json.loads(request.content or b"")
        return await super().webhook(request)


class HangsAtTinyBodies(GoodAdapter):
    async def webhook(self, request: Request) -> Response:
        if len(request.content or b"") < 3:
            await forever()
        return await super().webhook(request)


class RefusesAllAfterHuge(GoodAdapter):
    is_full = False

    async def webhook(self, request: Request) -> Response:
        self.is_full = self.is_full or len(request.content or b"") > HUGE
        return Response(503) if self.is_full else await super().webhook(request)


class HandlesHalfAWebhook(GoodAdapter):
    """Its driver brings an event as soon as its text has come."""

    async def start(self) -> None:
        take = HANDLER.data_received

        def data_received(handler: web.RequestHandler, data: bytes) -> None:
            found = re.search(rb'"text": "([^"]*)"', data)
            if found is not None:
                self.handle(found[1].decode())
            take(handler, data)

        HANDLER.data_received = data_received
        await super().start()


class IsLostAfterAReset(GoodAdapter):
    """Its driver brings nothing more when a connection has been reset."""

    is_lost = False

    async def start(self) -> None:
        lose = HANDLER.connection_lost

        def connection_lost(handler: web.RequestHandler, error: BaseException | None) -> None:
            self.is_lost = self.is_lost or isinstance(error, ConnectionResetError)
            lose(handler, error)

        HANDLER.connection_lost = connection_lost
        await super().start()

    def handle(self, text: str) -> None:
        if not self.is_lost:
            super().handle(text)


class HandlesOneAtATime(GoodAdapter):
    is_busy = False

    def handle(self, text: str) -> None:
        if not self.is_busy:
            self.is_busy = True
            asyncio.get_running_loop().call_later(2, setattr, self, "is_busy", False)
            super().handle(text)


class KeepsItsFirstConnection(GoodAdapter):
    """It calls nobody any more when its first connection to the platform has ended."""

    first: asyncio.StreamReader | None = None

    async def say(self, text: str) -> None:
        if self.first is None:
            host, _, port = self.root.removeprefix("http://").partition(":")
            self.first, self.writer = await asyncio.open_connection(host, int(port))
        if not self.first.at_eof():
            await super().say(text)


class NeedsThePlatform(GoodAdapter):
    async def start(self) -> None:
        await self.post("I am here")
        await super().start()


# Polls and attempts.


class GivesUp(GoodAdapter):
    async def failed(self, error: Exception, pause: float) -> None:
        await forever()


class GivesUpWhenRefused(GoodAdapter):
    async def failed(self, error: Exception, pause: float) -> None:
        if any(status in str(error) for status in ("401", "503")):
            await forever()
        await super().failed(error, pause)


class TriesAgainAtOnce(GoodAdapter):
    async def failed(self, error: Exception, pause: float) -> None:
        await super().failed(error, 0)


class HandlesEventsTwice(GoodAdapter):
    def handle(self, text: str) -> None:
        super().handle(text)
        super().handle(text)


class RepeatsAfterAFault(GoodAdapter):
    texts: tuple[str, ...] = ()

    def handle(self, text: str) -> None:
        self.texts = (*self.texts, text)
        super().handle(text)

    async def failed(self, error: Exception, pause: float) -> None:
        await super().failed(error, pause)
        for text in self.texts:
            super().handle(text)


class ConfirmsNothing(GoodAdapter):
    def after(self, offset: int, event: Any) -> int:
        return 0


class StopsAtAnEmptyPoll(GoodAdapter):
    is_over = False

    def events_in(self, answer: Response) -> list[Any]:
        events = super().events_in(answer)
        self.is_over = self.is_over or not events
        return [] if self.is_over else events


class StumblesOverNonsense(GoodAdapter):
    def events_in(self, answer: Response) -> list[Any]:
        events = super().events_in(answer)
        assert all(isinstance(event.get("sender"), dict) for event in events)
        return events


class StumblesOverHuge(GoodAdapter):
    def events_in(self, answer: Response) -> list[Any]:
        assert len(answer.content or b"") < HUGE
        return super().events_in(answer)


class WaitsForItsPoll(GoodAdapter):
    async def end_loops(self) -> None:
        await asyncio.gather(*self.loops)


def __getattr__(name: str) -> Any:
    # The bot's process asks when its settings are known.
    if name == "Adapter":
        return globals()[getattr(get_driver().config, "bad")]  # noqa: B009
    raise AttributeError(name)
