"""A driver and the peers around it as a machine: calls in any order, beside a simple model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nonebot_aiohttp import Bot, LifecycleError
from tests.support import frames
from tests.support.bots import RecordingBot, new_adapter
from tests.support.client import RawClient
from tests.support.clock import FakeClock
from tests.support.forward import SLOWEST, clocked_driver, websocket
from tests.support.frames import Frame, Opcode
from tests.support.hosts import Host
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually, within

T = TypeVar("T")

NAMES = ("onebot", "telegram", "mirai")
REVERSE_IDS = ("1", "2", "3")
FORWARD_IDS = ("f1", "f2")

PROBE_TIMEOUT = 0.3
"""Seconds; a machine does without an answer once only, because these are real."""

names = st.sampled_from(NAMES)
reverse_ids = st.sampled_from(REVERSE_IDS)
ids = st.sampled_from(REVERSE_IDS + FORWARD_IDS)


class Line:
    """A peer's end of a WebSocket, which reads all the time and answers pings.

    Attributes:
        messages: What has come, except for pings and pongs.
        adapter: The adapter whose bot is at the other end.
    """

    def __init__(self, peer: RawClient | Connection, adapter: str) -> None:
        self.messages: list[Frame] = []
        self.adapter = adapter
        self.peer = peer
        self.reading = asyncio.ensure_future(self._read())

    @property
    def close_code(self) -> int | None:
        """The code of the close frame that has come, if one has."""
        codes = [frame.close_code for frame in self.messages if frame.opcode == Opcode.CLOSE]
        return codes[0] if codes else None

    async def send(self, data: str) -> None:
        await self.peer.send_frame(frames.text(data))

    async def leave(self) -> None:
        """Drop the connection."""
        self.peer.abort()
        await within(asyncio.wait({self.reading}))
        await self.peer.close()

    async def _read(self) -> None:
        self.peer.patience = None
        try:
            while self.close_code is None:
                self.messages.append(await self.peer.read_message())
            await self.peer.send_frame(Frame(Opcode.CLOSE, self.messages[-1].payload[:2]))
        except (OSError, EOFError):
            pass


class DriverMachine(RuleBasedStateMachine):
    """Calls a driver, and expects what the model says."""

    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop

    @initialize()
    def make(self) -> None:
        """Make a driver without adapters; the platform of the forward bots listens."""
        self.loop = type(self).new_loop()
        self.adapters: dict[str, type[RecordingBot]] = {}
        self.lines: dict[str, Line] = {}
        self.forward: list[str] = []
        self.connects: Counter[str] = Counter()
        self.disconnects: Counter[str] = Counter()
        self.sent = 0
        self.was_silent = False
        self.host: Host | None = None
        self.clock = FakeClock()
        self.driver = clocked_driver(self.clock, probe_timeout=PROBE_TIMEOUT)
        self.driver.on_bot_connect(self._note_connect)
        self.driver.on_bot_disconnect(self._note_disconnect)
        self.platform = ScriptedServer(self._serve_forward)
        self.do(self.platform.__aenter__())

    def _note_connect(self, bot: Bot) -> None:
        self.connects[bot.self_id] += 1

    def _note_disconnect(self, bot: Bot) -> None:
        self.disconnects[bot.self_id] += 1

    async def _serve_forward(self, connection: Connection) -> None:
        request = await connection.upgrade()
        self_id = request.target.strip("/")
        line = self.lines[self_id] = Line(connection, NAMES[0])
        await line.reading

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(within(coroutine, 30))

    @property
    def is_running(self) -> bool:
        return self.host is not None

    @property
    def expected(self) -> set[str]:
        """The bots that are connected, as the model has it."""
        return set(self.lines)

    # What may be called at any time

    @rule(name=names)
    def register(self, name: str) -> None:
        """Register an adapter; the first of a name stays."""
        adapter = new_adapter()
        self.driver.register_adapter(name, adapter)
        assert self.driver._adapters[name] is self.adapters.setdefault(name, adapter)

    @precondition(lambda self: NAMES[0] in self.adapters)
    @rule(self_id=st.sampled_from(FORWARD_IDS))
    def connect_forward(self, self_id: str) -> None:
        """Set a forward WebSocket up; in a running driver it connects at once."""
        if self_id in self.forward:
            return
        self.forward.append(self_id)
        self.do(self._connect_forward(self_id))

    async def _connect_forward(self, self_id: str) -> None:
        url = f"{self.platform.ws_url}/{self_id}"
        self.driver.setup_websocket(websocket(url, adapter=NAMES[0], self_id=self_id))
        if self.is_running:
            await self._until_forward_is_there()

    async def _until_forward_is_there(self) -> None:
        bots = self.driver.bots
        await eventually(lambda: all(i in self.lines and i in bots for i in self.forward))

    # The life

    @rule()
    def start(self) -> None:
        """Start; a driver that runs refuses."""
        if self.is_running:
            try:
                self.do(self.driver.serve("127.0.0.1", 0))
            except LifecycleError:
                return
            raise AssertionError("a driver that runs has started once more")
        self.do(self._start())

    async def _start(self) -> None:
        addresses: list[Any] = []
        self.serving = asyncio.ensure_future(
            self.driver.serve("127.0.0.1", 0, started=addresses.extend)
        )
        await eventually(lambda: addresses or self.serving.done())
        self.host = Host("aiohttp", addresses[0][1])
        await self._until_forward_is_there()

    @precondition(lambda self: self.is_running)
    @rule()
    def stop(self) -> None:
        """Stop: every WebSocket is closed with 1001, and nobody is left."""
        self.do(self._stop())

    async def _stop(self) -> None:
        self.driver.exit()
        await self.serving
        self.host = None
        lines, self.lines = self.lines, {}
        for line in lines.values():
            await within(asyncio.wait({line.reading}))
            assert line.close_code == 1001
            await line.leave()
        assert self.driver.bots == {}
        assert self.connects == self.disconnects

    # The peers

    @precondition(lambda self: self.is_running)
    @rule(name=names, self_id=ids)
    def connect_reverse(self, name: str, self_id: str) -> None:
        """Connect: one connection for an id, an adapter that is registered."""
        if self_id in FORWARD_IDS and self_id not in self.forward:
            return
        status = 101 if name in self.adapters else 404
        if status == 101 and self_id in self.lines:
            # Not even by another adapter or another way.
            status = 409
        assert self.do(self._connect(name, self_id)) == status

    async def _connect(self, name: str, self_id: str) -> int:
        assert self.host is not None
        client = await self.host.client()
        response = await client.upgrade(f"/{name}/ws", {"X-Self-ID": self_id})
        if response.status == 101:
            self.lines[self_id] = Line(client, name)
            await eventually(lambda: self_id in self.driver.bots)
        else:
            client.abort()
            await client.close()
        return response.status

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        """Drop a connection; a forward one comes back, though not at once."""
        self.do(self._disconnect(data.draw(st.sampled_from(sorted(self.lines)))))

    async def _disconnect(self, self_id: str) -> None:
        await self.lines.pop(self_id).leave()
        await eventually(lambda: self_id not in self.driver.bots)
        if self_id in self.forward:
            await eventually(lambda: self.clock.waiting)
            await self.clock.advance(SLOWEST)
            await self._until_forward_is_there()

    @precondition(lambda self: not self.was_silent and bool(set(self.lines) - set(self.forward)))
    @rule(data=st.data(), name=names)
    def return_from_silence(self, data: st.DataObject, name: str) -> None:
        """Connect while the old connection is half open: the new one takes its place."""
        if name in self.adapters:
            self.was_silent = True
            reverse = sorted(set(self.lines) - set(self.forward))
            self.do(self._return_from_silence(name, data.draw(st.sampled_from(reverse))))

    async def _return_from_silence(self, name: str, self_id: str) -> None:
        silent = self.lines.pop(self_id)
        silent.reading.cancel()
        assert await self._connect(name, self_id) == 101
        await within(silent.peer.reader.read())
        await silent.leave()
        await eventually(lambda: self.disconnects[self_id] == self.connects[self_id] - 1)

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        self.do(self._send(self.lines[data.draw(st.sampled_from(sorted(self.lines)))]))

    async def _send(self, line: Line) -> None:
        await line.send(str(self.sent))
        await self._arrives(line.adapter)

    async def _arrives(self, name: str) -> None:
        event = str(self.sent).encode()
        self.sent += 1
        await eventually(lambda: event in self.adapters[name].messages)
        got = {other: adapter.messages.count(event) for other, adapter in self.adapters.items()}
        assert got == {other: int(other == name) for other in self.adapters}

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def speak(self, data: st.DataObject) -> None:
        """Let a bot send: it arrives at the peer of its connection."""
        self_id = data.draw(st.sampled_from(sorted(self.lines)))
        self.do(self._speak(self.lines[self_id], self.driver.bots[self_id]))

    async def _speak(self, line: Line, bot: Bot) -> None:
        text = f"answer {self.sent}"
        self.sent += 1
        await bot.send(None, text)
        await eventually(lambda: line.messages)
        assert line.messages.pop() == Frame(Opcode.TEXT, text.encode(), masked=not line.peer.masks)

    @precondition(lambda self: self.is_running)
    @rule(name=names, self_id=ids)
    def post(self, name: str, self_id: str) -> None:
        """Post an event, also for a bot that is connected otherwise."""
        self.do(self._post(name, self_id))

    async def _post(self, name: str, self_id: str) -> None:
        assert self.host is not None
        body, headers = str(self.sent).encode(), {"X-Self-ID": self_id}
        response = await self.host.request("POST", f"/{name}/", headers, body)
        if name in self.adapters:
            assert response.status == 200
            await self._arrives(name)
        else:
            assert response.status == 404

    # What holds at any time

    @invariant()
    def those_who_are_connected_are_in_bots(self) -> None:
        """Compare the bots and the hooks that have run with the model."""
        assert set(self.driver.bots) == self.expected
        there = Counter(self.connects)
        there.subtract(self.disconnects)
        assert {self_id for self_id, count in there.items() if count} == self.expected
        assert set(there.values()) <= {0, 1}

    def teardown(self) -> None:
        """Stop what runs, and find nothing left."""
        if self.is_running:
            self.stop()
        self.do(self.platform.__aexit__(None, None, None))
        left = asyncio.all_tasks(self.loop)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        assert not left
