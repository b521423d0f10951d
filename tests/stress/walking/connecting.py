"""A platform whose WebSocket the bot connects to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from nonebot_aiohttp import WebSocketSetup
from tests.stress.walking.bot import REPLY, SPAM
from tests.stress.walking.forward import FAILURES, Failure, ForwardWalker, Turn
from tests.stress.walking.reverse import BAD_FRAMES
from tests.stress.walking.walker import ADAPTER, HANGS_UP
from tests.support import frames, scripts
from tests.support.frames import Frame, Opcode
from tests.support.server import Connection
from tests.support.waiting import within

INTERVAL = 1.0
"""Seconds of the setup's ``reconnect_interval``."""


class WebSocketWalker(ForwardWalker):
    """A platform with a WebSocket."""

    way = "forward websocket"
    interval = INTERVAL

    def add_setup(self) -> None:
        url = self.server.ws_url + "/ws"
        setup = WebSocketSetup(ADAPTER, self.self_id, url, {}, INTERVAL)
        self.ground.driver.setup_websocket(setup)

    async def good(self, connection: Connection) -> None:
        """Accept, and let the walker speak."""
        await connection.upgrade()
        await self._begin(connection).over.wait()

    async def say(self, turn: Turn) -> bool:
        message = self.ledger.send(self.self_id, REPLY)
        kind = self.random.choice((Opcode.TEXT, Opcode.BINARY))
        try:
            await turn.connection.send_frame(Frame(kind, message))
            answer = await within(turn.connection.read_message(), self._patience)
        except HANGS_UP:
            self._lost()
            return False
        turn.connection.attempt.frames.clear()
        self.check(answer.payload == message, f"{message!r} was answered {answer.payload!r}")
        self.ledger.acknowledge(message)
        self.check(self.self_id in self.ground.driver.bots, "answers, but is not in bots")
        return True

    def failures(self) -> Mapping[str, Failure]:
        return {
            **FAILURES,
            "wrong key": Failure(scripts.wrong_accept(), slow=True),
            "no upgrade": Failure(scripts.status(200), slow=True),
            "accept then close": Failure(scripts.accept_then_close(1013)),
            "accept then end": Failure(scripts.accept_then_close(abrupt=True)),
            "silent": Failure(scripts.half_open()),
        }

    def endings(self) -> Mapping[str, Callable[[Turn], Awaitable[None]]]:
        return {
            "reset while open": self._reset,
            "end while open": self._abort,
            "half a frame": self._half_a_frame,
            "silent while open": self._stay_silent,
            "deaf": self._stay_deaf,
            **{f"close {code}": partial(self._close, code=code) for code in (1000, 1001, 1012)},
            **{name: partial(self._bad, name=name) for name in BAD_FRAMES},
        }

    async def _half_a_frame(self, turn: Turn) -> None:
        await turn.connection.send_frame_header(Opcode.TEXT, 1000)
        turn.connection.abort()

    async def _stay_silent(self, turn: Turn) -> None:
        """Answer no ping until the heartbeat has had enough."""

    async def _stay_deaf(self, turn: Turn) -> None:
        """Make the bot send much, and read none of it."""
        turn.connection.stop_reading()
        await turn.connection.send_frame(frames.text(self.ledger.send(self.self_id, SPAM).decode()))

    async def _close(self, turn: Turn, code: int) -> None:
        """Close in order: what was sent before has been read when the answer comes."""
        messages = [self.ledger.send(self.self_id) for _ in range(3)]
        await turn.connection.send_frame(*map(frames.binary, messages), frames.close(code))
        await turn.connection.read_close()
        for message in messages:
            self.ledger.acknowledge(message)
        turn.connection.abort()

    async def _bad(self, turn: Turn, name: str) -> None:
        code, bad = BAD_FRAMES[name]
        await turn.connection.send_frame(*bad)
        answer = await turn.connection.read_close()
        self.check(answer.close_code == code, f"closed with {answer.close_code}, not {code}")
        turn.connection.abort()
