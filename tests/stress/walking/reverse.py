"""A platform that connects by WebSocket, and breaks the connection in every way it knows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

from nonebot_aiohttp.connections.handshakes import CAN_KEEP_BYTES
from tests.stress.walking.bot import REPLY, SPAM
from tests.stress.walking.walker import ADAPTER, HANGS_UP, Walker
from tests.support import frames
from tests.support.client import RawClient
from tests.support.frames import Frame, Opcode
from tests.support.waiting import eventually, within

PATH = f"/{ADAPTER}/ws"
FLOOD = 200
FLAPS = 5
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}

BAD_FRAMES: dict[str, tuple[int, tuple[Frame, ...]]] = {
    "invalid UTF-8": (1007, (Frame(Opcode.TEXT, b"caf\xe9"),)),
    "reserved opcode": (1002, (Frame(3, b"?"),)),
    "fragmented ping": (1002, (Frame(Opcode.PING, b"", fin=False),)),
    "large ping": (1002, (Frame(Opcode.PING, b"p" * 126),)),
    "stray continuation": (1002, (Frame(Opcode.CONTINUATION, b"?"),)),
    "text in a text": (1002, (Frame(Opcode.TEXT, b"a", fin=False), Frame(Opcode.TEXT, b"b"))),
    "compressed unasked": (1002, (Frame(Opcode.TEXT, b"x", rsv1=True),)),
    "close of one byte": (1002, (Frame(Opcode.CLOSE, b"\x03"),)),
}
"""Frames that a peer must not send, and the code by which it is told so (RFC 6455)."""

if not CAN_KEEP_BYTES:
    # The client of an older aiohttp takes it, and finds nothing to unpack.
    del BAD_FRAMES["compressed unasked"]


class ReverseWalker(Walker):
    """Keeps one WebSocket, and connects again after each fault."""

    way = "reverse websocket"
    _kept: RawClient | None = None

    def faults(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {
            "reset": self.reset,
            "end without a close": self.end_abruptly,
            "close": self.close,
            "half a frame": self.half_a_frame,
            "oversize": self.oversize,
            "bad handshakes": self.bad_handshakes,
            "hang in the handshake": self.hang_in_handshake,
            "silent": self.go_silent,
            "duplicate": self.duplicate,
            "flap": self.flap,
            "flood": self.flood,
            "fragments": self.fragments,
            "deaf": self.go_deaf,
            **{name: self._bad_frame(name) for name in BAD_FRAMES},
        }

    async def deliver(self) -> None:
        """Get an event through and its answer back, on a new connection if need be."""
        deadline = time.monotonic() + self.ground.patience
        while not await self._is_answered():
            await self.leave()
            assert time.monotonic() < deadline, "the bot could not come back in time"

    async def leave(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.abort()
            await kept.close()

    async def reset(self) -> None:
        self._connection.reset()

    async def end_abruptly(self) -> None:
        self._connection.abort()

    async def close(self) -> None:
        """Close in order: what was sent before has been read when the answer comes."""
        messages = [self.ledger.send(self.self_id) for _ in range(3)]
        client = self._connection
        code = self.random.choice((1000, 1001, 1011, 4000))
        sent = [frames.binary(message) for message in messages]
        await client.send_frame(*sent, frames.close(code))
        await client.read_close()
        for message in messages:
            self.ledger.acknowledge(message)

    async def half_a_frame(self) -> None:
        await self._connection.send_frame_header(Opcode.TEXT, 1000)
        await self._connection.send(b"half of it")
        self._connection.abort()

    async def oversize(self) -> None:
        """Announce a frame over the limit; older aiohttp looks at it when it has come."""
        if CAN_KEEP_BYTES:
            await self._connection.send_frame_header(Opcode.BINARY, 1 << 40)
        else:
            limit = self.ground.driver.options.max_message_size
            await self._connection.send_frame(frames.binary(bytes(limit + 1)))
        await self._expect_close(1009)

    async def bad_handshakes(self) -> None:
        """Ask for a WebSocket in ways that are to be refused, and be told why."""
        for headers, path, statuses in (
            ({**UPGRADE, "Sec-WebSocket-Key": "short"}, PATH, {400}),
            ({**UPGRADE, "Sec-WebSocket-Version": "99"}, PATH, {400, 426}),
            ({"Upgrade": "h2c"}, PATH, {426}),
            (UPGRADE, "/nobody/ws", {404}),
            ({**UPGRADE, "X-Self-ID": ""}, PATH, {401}),
            ({**UPGRADE, "Origin": "https://page.example"}, PATH, {403}),
        ):
            async with await self.client() as client:
                response = await client.request("GET", path, {**self.headers, **headers})
                self.check(response.status in statuses, f"{headers} got {response.status}")

    async def hang_in_handshake(self) -> None:
        async with await self.client() as client:
            await client.send(f"GET {PATH} HTTP/1.1\r\nUpgrade: webs".encode())
            client.end_writing()
            await client.read_to_end()

    async def go_silent(self) -> None:
        """Be half open: the old connection stays, says nothing, and the bot comes back."""
        silent, self._kept = self._connection, None
        try:
            await self.deliver()
        finally:
            silent.abort()
            await silent.close()

    async def duplicate(self) -> None:
        """Connect once more while the first connection lives: it is refused, and the first stays.

        A loaded machine may make the first one look dead; then it must be closed.
        """
        reading = asyncio.ensure_future(self._connection.read_close())
        async with await self.client() as client:
            response = await client.upgrade(PATH, self.headers)
            self.check(response.status in (409, 101), f"duplicate: {response.status}")
            if response.status == 101:
                await eventually(reading.done, self.ground.patience, "the end of the first one")
        reading.cancel()
        await asyncio.wait({reading})
        if not reading.cancelled():
            reading.exception()
        await self.leave()

    async def flap(self) -> None:
        for _ in range(FLAPS):
            await self.leave()
            await self._connect()
            self.random.choice((self._connection.reset, self._connection.abort))()

    async def flood(self) -> None:
        """Send many events in one go; all are answered."""
        messages = {self.ledger.send(self.self_id, REPLY) for _ in range(FLOOD)}
        client = self._connection
        await client.send(b"".join(frames.encode(frames.binary(m), b"mask") for m in messages))
        missing = set(messages)
        while missing:
            answer = (await client.read_message()).payload
            self.check(answer in missing, f"the flood was answered {answer!r}")
            missing.discard(answer)
        for message in messages:
            self.ledger.acknowledge(message)

    async def fragments(self) -> None:
        """Send an event in pieces, with pings in between that are answered."""
        message, client = self.ledger.send(self.self_id, REPLY), self._connection
        for index in range(len(message)):
            opcode = Opcode.CONTINUATION if index else Opcode.TEXT
            last = index == len(message) - 1
            await client.send_frame(
                frames.ping(b"%d" % index), Frame(opcode, message[index : index + 1], fin=last)
            )
        answer = await client.read_message()
        self.check(answer.payload == message, f"fragments were answered {answer.payload!r}")
        self.ledger.acknowledge(message)

    async def go_deaf(self) -> None:
        """Make the bot send much and read none of it; the connection does not outlive that."""
        client = self._connection
        message = self.ledger.send(self.self_id, SPAM)
        client.stop_reading()
        await client.send_frame(frames.binary(message))
        bots = self.ground.driver.bots
        await eventually(
            lambda: self.ledger.is_handled(message) and self.self_id not in bots,
            self.ground.patience,
            "the end of a deaf connection",
        )
        await self.leave()

    @property
    def _connection(self) -> RawClient:
        assert self._kept is not None
        return self._kept

    def _bad_frame(self, name: str) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            code, bad = BAD_FRAMES[name]
            await self._connection.send_frame(*bad)
            await self._expect_close(code)

        return send

    async def _expect_close(self, code: int) -> None:
        answer = await self._connection.read_close()
        self.check(answer.close_code == code, f"closed with {answer.close_code}, not {code}")

    async def _connect(self) -> None:
        """Connect; while the end of the last connection is not seen yet, it may be refused."""
        deadline = time.monotonic() + self.ground.patience
        while True:
            client = await self.client()
            self._kept = client
            response = await client.upgrade(PATH, self.headers)
            if response.status == 101:
                return
            self.check(response.status == 409, f"a connection got {response.status}")
            await self.leave()
            assert time.monotonic() < deadline, "the bot was not let in"
            await asyncio.sleep(0.01)

    async def _is_answered(self) -> bool:
        with contextlib.suppress(*HANGS_UP):
            if self._kept is None:
                await self._connect()
            message = self.ledger.send(self.self_id, REPLY)
            kind = self.random.choice((Opcode.TEXT, Opcode.BINARY))
            await self._connection.send_frame(Frame(kind, message))
            answer = await within(self._connection.read_message(), self.ground.patience)
            if answer.opcode == Opcode.CLOSE:
                return False
            self.check(answer.payload == message, f"{message!r} was answered {answer.payload!r}")
            self.check(self.self_id in self.ground.driver.bots, "answers, but is not in bots")
            self.ledger.acknowledge(message)
            return True
        return False
