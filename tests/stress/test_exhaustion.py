"""Strangers who take what they can get: the bot's memory stays bounded, and others are served."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.process.conftest import Launch
from tests.process.hosts import RUN
from tests.process.programs import PATIENCE, Program
from tests.support import frames
from tests.support.client import RawClient
from tests.support.deaf import deaf_client, send_until_dropped
from tests.support.waiting import eventually, within
from tests.support.wire import Response, encode_message

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="it reads what Linux tells"),
]

KIB, MIB = 1 << 10, 1 << 20
CHUNK = b"x" * 64 * KIB
BOT = {"X-Self-ID": "1"}
PATH = "/platform/"

MEMORY = 200 * MIB
"""Bytes by which the process may grow where events are many."""

BODY, BODIES, ROOM = 16 * MIB, 80, 20
"""Bytes of a body, how many never end, and how many may be kept: the driver has room for 16."""
BODY_MEMORY = (256 + 128) * MIB
"""Bytes of ``aiohttp_max_body_memory``, and beyond it, by which the process may grow."""

PIPELINING = 10
"""Strangers who send requests without waiting for the answers."""

INFLIGHT, FLOODING, POSTS = 100, 100, 20
"""Events that the bot works on at once, connections of a flood, and how many each of them posts."""

FILES, SILENT = 128, 300
"""Files that the process may have open, and strangers who take them."""


def event(do: str, **fields: Any) -> bytes:
    """Encode an event for the bot; see ``PlatformBot``."""
    return json.dumps({"do": do, **fields}).encode()


QUIET = event("go")
"""An event that opens no file: the bot has nothing to note."""


class Bystander:
    """A peer that posts one webhook after the other, and watches the memory of the bot.

    Attributes:
        statuses: How often it was answered what.
        growth: Bytes by which the process has grown at most.
    """

    def __init__(self, program: Program) -> None:
        self.statuses: Counter[int] = Counter()
        self.growth = 0
        self._port = program.port
        self._process = psutil.Process(program.process.pid)
        self._before = self._memory()

    def _memory(self) -> int:
        return int(self._process.memory_info().rss)

    async def post(self) -> None:
        """Post without an end over one connection."""
        async with await RawClient.connect(self._port) as client:
            client.patience = PATIENCE
            while True:
                response = await client.request("POST", PATH, BOT, QUIET)
                self.statuses[response.status] += 1
                self.growth = max(self.growth, self._memory() - self._before)
                await asyncio.sleep(0.01)

    async def is_served(self, times: int = 50) -> None:
        """Wait until it was answered 200 so often from now on."""
        least = self.statuses[200] + times
        await eventually(lambda: self.statuses[200] >= least, PATIENCE, "the bystander's answers")


@asynccontextmanager
async def beside(program: Program, memory: int, *others: int) -> AsyncIterator[Bystander]:
    """See that a bystander is served while strangers attack, and how the memory grows.

    Args:
        program: The bot.
        memory: Bytes by which it may grow.
        *others: Statuses that the bystander may be answered besides 200.
    """
    bystander = Bystander(program)
    posting = asyncio.ensure_future(bystander.post())
    try:
        await bystander.is_served()
        yield bystander
        await bystander.is_served()
    finally:
        posting.cancel()
        await asyncio.wait({posting})
    assert posting.cancelled()
    print(f"grew by {bystander.growth / MIB:.0f} MiB; the bystander got {dict(bystander.statuses)}")
    assert set(bystander.statuses) <= {200, *others}
    assert bystander.growth <= memory


async def begin_body(stack: AsyncExitStack, port: int) -> asyncio.Future[Response]:
    """Send a body but for its end, and stay; return the answer to come."""
    client = await stack.enter_async_context(await RawClient.connect(port))
    client.patience = None
    answer = asyncio.ensure_future(client.read_response())
    head = {**BOT, "Host": "bot", "Content-Length": str(BODY)}
    with suppress(ConnectionError):
        await client.send(encode_message(f"POST {PATH} HTTP/1.1", head))
        for _ in range(BODY // len(CHUNK) - 1):
            if answer.done():
                break
            await client.send(CHUNK)
    return answer


async def test_bodies_that_never_end(launch: Launch) -> None:
    program = launch(RUN, aiohttp_body_timeout=300)
    async with beside(program, BODY_MEMORY), AsyncExitStack() as stack:
        bodies = (begin_body(stack, program.port) for _ in range(BODIES))
        answers = await within(asyncio.gather(*bodies), PATIENCE)
        await eventually(lambda: sum(each.done() for each in answers) >= BODIES - ROOM, PATIENCE)
        refused = [answer.result() for answer in answers if answer.done()]
        assert {response.status for response in refused} == {503}
        assert all(response.header("Retry-After") for response in refused)
        for answer in answers:
            answer.cancel()


async def test_requests_behind_each_other_without_an_end(launch: Launch) -> None:
    program = launch(RUN)
    requests = encode_message(f"POST {PATH} HTTP/1.1", {"Host": "a", "Content-Length": "2"}, b"{}")

    async def pipeline() -> None:
        while True:
            async with await RawClient.connect(program.port) as client:
                sending = asyncio.ensure_future(client.send(*[requests * 100] * 1000))
                with suppress(ConnectionError):
                    while await client.reader.read(len(CHUNK)):
                        pass
                sending.cancel()
                await asyncio.wait({sending})

    async with beside(program, MEMORY) as bystander:
        pipelining = [asyncio.ensure_future(pipeline()) for _ in range(PIPELINING)]
        await bystander.is_served()
        for each in pipelining:
            each.cancel()
        await asyncio.wait(pipelining)
    assert all(each.cancelled() for each in pipelining)


async def test_a_websocket_that_makes_the_bot_send_and_never_reads(launch: Launch) -> None:
    program = launch(RUN, aiohttp_heartbeat=2)
    upgrade = {
        **{"X-Self-ID": "2", "Host": "bot", "Connection": "Upgrade", "Upgrade": "websocket"},
        **{"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
    }
    # Until the heartbeat finds out, each event holds what it sends: 2,000 events a second at most.
    frame = frames.encode(frames.binary(event("send", size=16 * KIB)), bytes(4))
    async with beside(program, MEMORY), deaf_client(program.port) as raw:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, encode_message(f"GET {PATH}ws HTTP/1.1", upgrade))
        await within(send_until_dropped(raw, frame), PATIENCE)


async def test_a_websocket_whose_handlers_do_not_end(launch: Launch) -> None:
    program = launch(RUN)
    message = frames.encode(frames.binary(event("hang", pad="x" * 300)), bytes(4))
    async with beside(program, MEMORY), await RawClient.connect(program.port) as client:
        client.patience = PATIENCE
        await client.upgrade(f"{PATH}ws", {"X-Self-ID": "2"})
        sending = asyncio.ensure_future(client.send(*[message * 256] * 1000))
        assert (await client.read_close()).close_code == 1013
        sending.cancel()
        await asyncio.wait({sending})


async def test_more_webhooks_than_the_bot_can_work_on(launch: Launch) -> None:
    """What was accepted is handled once, and what was refused is not handled."""
    program = launch(RUN, aiohttp_max_inflight=INFLIGHT)
    accepted: Counter[str] = Counter()
    refused: Counter[str | None] = Counter()

    async def post(number: int) -> None:
        async with await RawClient.connect(program.port) as client:
            client.patience = PATIENCE
            for part in range(POSTS):
                body = event("note", id=f"{number}/{part}", after=1.0)
                response = await client.request("POST", PATH, BOT, body)
                if response.status == 200:
                    accepted[f"{number}/{part}"] += 1
                else:
                    refused[f"{response.status} {response.header('Retry-After')}"] += 1

    async with beside(program, MEMORY, 503):
        await within(asyncio.gather(*map(post, range(FLOODING))), PATIENCE)
        assert accepted
        assert set(refused) == {"503 5"}

        await eventually(lambda: program.handled() == accepted, PATIENCE, "the last handler")


@pytest.mark.parametrize("loop", ["asyncio", "auto"])
async def test_strangers_who_take_all_file_descriptors(launch: Launch, loop: str) -> None:
    program = launch(RUN, aiohttp_loop=loop, aiohttp_keepalive_timeout=2)
    port = program.port
    psutil.Process(program.process.pid).rlimit(psutil.RLIMIT_NOFILE, (FILES, FILES))
    async with beside(program, MEMORY) as bystander:
        async with AsyncExitStack() as stack:
            for _ in range(SILENT):
                await stack.enter_async_context(await RawClient.connect(port))
            await program.logged("No file descriptor is left")
            await bystander.is_served(200)
        # They have gone, and a newcomer gets in.
        async with await RawClient.connect(port) as newcomer:
            newcomer.patience = PATIENCE
            assert (await newcomer.request("POST", PATH, BOT, QUIET)).status == 200
    assert program.log.count("No file descriptor is left") == 1
    assert "Traceback" not in program.log
