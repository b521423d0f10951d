"""``serve()`` and ``lifespan()`` on the test's own event loop; they leave nothing behind."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp import Driver, LifecycleError, StartupError
from nonebot_aiohttp.testing.bots.leaks import changes
from tests.process.bots.common import make_driver
from tests.process.hosts import RUN
from tests.process.observing import post
from tests.process.simulator import Platform
from tests.support.client import RawClient
from tests.support.leaks import process_state
from tests.support.logs import Logs
from tests.support.scripts import send_frames
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

SHUTDOWN = ["shutdown of the second", "shutdown of the first, session closed: False"]


class Bench:
    def __init__(self, **settings: Any) -> None:
        self.notes: list[str] = []
        self.driver: Driver = make_driver({"work_seconds": 0, **settings}, self.notes.append)
        self.port = 0
        self.serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bench:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it if the test has not."""
        if self.serving is not None and not self.serving.done():
            self.go_on()
            self.driver.exit()
            await self.end()

    async def start(self) -> None:
        started = asyncio.get_running_loop().create_future()
        serving = self.driver.serve(port=0, started=started.set_result)
        self.serving = asyncio.create_task(serving)
        self.port = (await within(started))[0][1]

    async def end(self) -> None:
        assert self.serving is not None
        await within(self.serving)

    def go_on(self) -> None:
        """Let the waiting handlers go on."""
        config: Any = self.driver.config
        config.gate.set()

    async def noted(self, note: str) -> None:
        await eventually(lambda: note in self.notes, what=note)


@pytest.mark.promise("life: the stop has an order")
@pytest.mark.promise("life: WebSockets of both sides close with 1001")
async def test_stops_in_order() -> None:
    async with Bench() as served, Platform(served.port) as platform:
        line = await platform.connect("7")
        await platform.send("7", do="work", id=1)
        await served.noted("begun 1")
        served.driver.exit()
        await settle()
        assert not line.socket.closed
        served.go_on()
        await served.end()
        assert await line.close_code() == 1001
    in_order = ["handled 1", "disconnect 7", *SHUTDOWN]
    assert [note for note in served.notes if note in in_order] == in_order
    with pytest.raises(LifecycleError):
        _ = served.driver.session


@pytest.mark.promise("life: frames during the drain reach the bot and do not prolong it")
async def test_later_frames_reach_the_bot_and_prolong_nothing(logs: Logs) -> None:
    async with Bench(aiohttp_drain_timeout=60) as served, Platform(served.port) as platform:
        await platform.connect("7")
        await platform.send("7", do="work", id=1)
        await served.noted("begun 1")
        served.driver.exit()
        await eventually(lambda: logs.matching("Waiting for 1 handler"))
        await platform.send("7", do="hang")
        await served.noted("begun")
        served.go_on()
        await served.end()
    assert "handled 1" in served.notes
    assert logs.matching("Cut off 1 handler(s) of platform that came after", "WARNING")
    assert logs.messages("INFO")[-1] == "Stopped"


@pytest.mark.promise("life: what the deadline cuts off is logged with count and adapter")
async def test_deadline_of_the_drain(logs: Logs) -> None:
    async with Bench(aiohttp_drain_timeout=0.05) as served, Platform(served.port) as platform:
        await platform.connect("7")
        for _ in range(3):
            await platform.send("7", do="hang")
        await eventually(lambda: served.notes.count("begun") == 3)
        served.driver.exit()
        await served.end()
    assert logs.messages("ERROR") == ["Cut off 3 handler(s) of platform that had not ended"]
    assert served.notes[-2:] == SHUTDOWN


@pytest.mark.promise("life: WebSockets of both sides close with 1001")
async def test_forward_connection_gets_1001() -> None:
    async with ScriptedServer(send_frames('{"do": "note", "id": 1}')) as platform:
        async with Bench(forward_url=platform.ws_url) as served:
            await served.noted("handled 1")
            served.driver.exit()
            await served.end()
        assert platform.attempts[0].frames[-1].close_code == 1001
    assert "disconnect forward" in served.notes


@pytest.mark.promise("life: the stop has an order")
async def test_cancelled_serve_stops_in_order() -> None:
    async with Bench() as served, Platform(served.port) as platform:
        line = await platform.connect("7")
        await served.noted("connect 7")
        assert served.serving is not None
        served.serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(served.serving)
        assert await line.close_code() == 1001
    assert served.notes[-3:] == ["disconnect 7", *SHUTDOWN]


@pytest.mark.promise("life: only run() touches signals, and puts back what it found")
async def test_touches_no_signals() -> None:
    before = process_state()
    async with Bench():
        assert changes(before, process_state()) == []


async def serve_once(made: Bench, event: bytes) -> None:
    await made.start()
    async with await RawClient.connect(made.port) as client:
        assert (await post(client, RUN, event)).status == 200
    made.driver.exit()
    await made.end()


@pytest.mark.promise("life: constructing a driver opens nothing and needs no event loop")
def test_serves_again_on_another_loop() -> None:
    made = Bench()
    for number in range(2):
        asyncio.run(serve_once(made, b'{"do": "note", "id": %d}' % number))
    # The first application is frozen, and its sites are closed.
    assert [note for note in made.notes if note.startswith("handled")] == ["handled 0", "handled 1"]


def test_an_application_that_somebody_has_taken_serves_on_one_loop() -> None:
    made = Bench()
    assert not made.driver.server_app.frozen
    asyncio.run(serve_once(made, b'{"do": "note", "id": 1}'))
    with pytest.raises(LifecycleError, match="server_app serves on one event loop only"):
        asyncio.run(made.driver.serve(port=0))
    assert made.notes[-2:] == SHUTDOWN


async def test_the_access_log_shows_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "nonebot_aiohttp.access")
    async with Bench(aiohttp_access_log=True) as served:
        async with await RawClient.connect(served.port) as client:
            target = "/platform?access_token=s3cr3t"
            fields = {"X-Self-ID": "7", "Referer": "http://h/?token=s3cr3t"}
            await client.request("POST", target, fields, b'{"do": "note", "id": 1}')
            await client.request("GET", "/bot123:s3cr3t-T0ken/getUpdates")
        served.driver.exit()
        await served.end()
    lines = [each for each in caplog.records if each.name == "nonebot_aiohttp.access"]
    first, second = (line.getMessage() for line in lines)
    assert re.fullmatch(r"127\.0\.0\.1 POST /platform 200 \d+ bytes \d\.\d{3} s", first)
    assert re.fullmatch(r"127\.0\.0\.1 GET /\*\*\*/getUpdates 404 \d+ bytes \d\.\d{3} s", second)


async def test_the_access_log_is_off_unless_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with Bench() as served, await RawClient.connect(served.port) as client:
        await post(client, RUN, b'{"do": "note", "id": 1}')
    assert not [each for each in caplog.records if each.name == "nonebot_aiohttp.access"]


async def test_does_not_serve_twice_at_once() -> None:
    async with Bench() as served:
        with pytest.raises(LifecycleError, match="runs already"):
            await served.driver.serve(port=0)
        async with await RawClient.connect(served.port) as client:
            assert (await post(client, RUN, b'{"do": "note", "id": 1}')).status == 200
        served.driver.exit()
        await served.end()


async def test_does_not_serve_what_another_host_runs() -> None:
    made = Bench()
    async with made.driver.lifespan():
        with pytest.raises(LifecycleError, match="runs already"):
            await made.driver.serve(port=0)
        assert made.notes == ["startup", "started"]


async def test_an_application_stops_only_what_it_has_started() -> None:
    made = Bench()
    async with made.driver.lifespan():
        runner = web.AppRunner(made.driver.server_app)
        with pytest.raises(LifecycleError):
            await runner.setup()
        await runner.cleanup()
        assert made.notes == ["startup", "started"]
    assert made.notes[-2:] == SHUTDOWN


@pytest.mark.promise("life: a startup hook that fails undoes the start and ends the process")
async def test_startup_hook_that_fails() -> None:
    made = Bench(fail_startup=True)
    with pytest.raises(StartupError, match=r"startup hook .*start failed") as raised:
        await made.driver.serve(port=0)
    assert isinstance(raised.value.__cause__, OSError)
    assert made.notes == ["startup", *SHUTDOWN]


@pytest.mark.promise("life: a port in use fails before anything ran")
async def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = Bench()
        with pytest.raises(StartupError, match="Cannot listen on") as raised:
            await made.driver.serve(port=taken.getsockname()[1])
    assert raised.value.__cause__ is None
    assert made.notes == []


async def test_serves_without_listening() -> None:
    made = Bench()
    addresses: list[list[Any]] = []
    made.serving = asyncio.create_task(made.driver.serve(listen=False, started=addresses.append))
    await made.noted("started")
    await eventually(lambda: addresses == [[]])
    made.driver.exit()
    await made.end()
    assert made.notes[-2:] == SHUTDOWN


@pytest.mark.promise("life: a host may forward no lifespan events")
async def test_lifespan_in_another_host(logs: Logs) -> None:
    made = Bench()
    async with made.driver.lifespan() as driver:
        assert driver is made.driver
        assert not driver.session.closed
        driver.exit()
        await settle()
        assert logs.matching("hosted elsewhere", "WARNING")
        assert made.notes == ["startup", "started"]
    assert made.notes[-2:] == SHUTDOWN
