"""``serve()`` and ``lifespan()`` on the test's own loop, and what they leave: nothing."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp import Bot, Driver, LifecycleError, StartupError
from tests.process.bots.common import make_driver
from tests.process.simulator import Platform
from tests.support.client import RawClient
from tests.support.leaks import changes, process_state
from tests.support.logs import Logs
from tests.support.scripts import send_frames
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle, within
from tests.support.wire import Response

pytestmark = pytest.mark.both_loops

SHUTDOWN = ["shutdown of the second", "shutdown of the first, session closed: False"]


class Bench:
    """A driver that serves, and what it has noted."""

    def __init__(self, **settings: Any) -> None:
        self.notes: list[str] = []
        self.driver: Driver = make_driver({"work_seconds": 0, **settings}, self.notes.append)
        self.port = 0
        self.serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve."""
        started = asyncio.get_running_loop().create_future()
        serving = self.driver.serve(port=0, started=started.set_result)
        self.serving = asyncio.create_task(serving)
        self.port = (await within(started))[0][1]

    async def end(self) -> None:
        """Wait until it has stopped."""
        assert self.serving is not None
        await within(self.serving)

    def go_on(self) -> None:
        """Let the handlers that wait go on."""
        config: Any = self.driver.config
        config.gate.set()

    async def noted(self, note: str) -> None:
        """Wait for a note."""
        await eventually(lambda: note in self.notes, what=note)


@asynccontextmanager
async def bench(**settings: Any) -> AsyncIterator[Bench]:
    """Give a driver that serves, and stop it if the test has not."""
    made = Bench(**settings)
    await made.start()
    try:
        yield made
    finally:
        if made.serving is not None and not made.serving.done():
            made.go_on()
            made.driver.exit()
            await made.end()


async def webhook(client: RawClient, body: bytes) -> Response:
    """Send a webhook on a connection that is open."""
    return await client.request("POST", "/platform", {"X-Self-ID": "7"}, body)


@pytest.mark.promise("life: the stop has an order")
@pytest.mark.promise("life: WebSockets of both sides close with 1001")
async def test_stops_in_order() -> None:
    async with bench() as served, Platform(served.port) as platform:
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


@pytest.mark.promise("life: the drain waits for handlers while the sockets work")
async def test_answers_arrive_during_the_drain(logs: Logs) -> None:
    async with bench() as served, Platform(served.port) as platform:
        line = await platform.connect("7")
        await platform.send("7", do="work", id=1)
        await served.noted("begun 1")
        served.driver.exit()
        await eventually(lambda: logs.matching("Waiting for 1 handler"))
        served.go_on()
        await served.end()
        assert [call["api"] for call in line.calls] == ["finish"]
    assert "handled 1" in served.notes


@pytest.mark.promise("life: an open connection gets 503 with Connection: close during the drain")
async def test_open_connection_gets_503_during_the_drain(logs: Logs) -> None:
    async with bench() as served, await RawClient.connect(served.port) as client:
        assert (await webhook(client, b'{"do": "work", "id": 1}')).status == 200
        served.driver.exit()
        await eventually(lambda: logs.matching("Waiting for 1 handler"))
        refused = await webhook(client, b'{"do": "note", "id": 2}')
        assert (refused.status, refused.header("Connection")) == (503, "close")
        assert refused.header("Retry-After")
        assert await client.read_to_end() == b""
        with pytest.raises(ConnectionError):
            await RawClient.connect(served.port)
    assert "handled 2" not in served.notes


@pytest.mark.promise("life: frames during the drain reach the bot and do not prolong it")
async def test_later_frames_reach_the_bot_and_prolong_nothing(logs: Logs) -> None:
    async with bench(aiohttp_drain_timeout=60) as served, Platform(served.port) as platform:
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
    async with bench(aiohttp_drain_timeout=0.05) as served, Platform(served.port) as platform:
        await platform.connect("7")
        for _ in range(3):
            await platform.send("7", do="hang")
        await eventually(lambda: served.notes.count("begun") == 3)
        served.driver.exit()
        await served.end()
    assert logs.messages("ERROR") == ["Cut off 3 handler(s) of platform that had not ended"]
    assert served.notes[-2:] == SHUTDOWN


@pytest.mark.promise("life: disconnect hooks run within the deadline")
async def test_disconnect_hooks_have_a_deadline_too(logs: Logs) -> None:
    settings = {"aiohttp_drain_timeout": 0.05, "aiohttp_close_timeout": 0.5}
    async with bench(**settings) as served, Platform(served.port) as platform:

        @served.driver.on_bot_disconnect
        async def hang(_: Bot) -> None:
            served.notes.append("hanging")
            await asyncio.get_running_loop().create_future()

        await platform.connect("7")
        await served.noted("connect 7")
        served.driver.exit()
        await served.end()
    assert served.notes[-4:] == ["disconnect 7", "hanging", *SHUTDOWN]
    assert logs.messages("ERROR") == ["Cut off 1 hook(s) of platform that had not ended"]


@pytest.mark.promise("life: WebSockets of both sides close with 1001")
async def test_forward_connection_gets_1001() -> None:
    async with ScriptedServer(send_frames('{"do": "note", "id": 1}')) as platform:
        async with bench(forward_url=platform.ws_url) as served:
            await served.noted("handled 1")
            served.driver.exit()
            await served.end()
        assert platform.attempts[0].frames[-1].close_code == 1001
    assert "disconnect forward" in served.notes


@pytest.mark.promise("life: the stop has an order")
async def test_cancelled_serve_stops_in_order() -> None:
    async with bench() as served, Platform(served.port) as platform:
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
    async with bench():
        assert changes(before, process_state()) == []


@pytest.mark.promise("life: constructing a driver opens nothing and needs no event loop")
async def test_serves_again_after_the_stop() -> None:
    async with bench() as served:
        served.driver.exit()
        await served.end()
        # The application of the first time is frozen, and its sites are gone.
        await served.start()
        async with await RawClient.connect(served.port) as client:
            assert (await webhook(client, b'{"do": "note", "id": 2}')).status == 200
    assert served.notes.count("startup") == 2
    assert "handled 2" in served.notes


async def serve_once(made: Bench, event: bytes) -> None:
    """Start, handle an event, and stop."""
    await made.start()
    async with await RawClient.connect(made.port) as client:
        assert (await webhook(client, event)).status == 200
    made.driver.exit()
    await made.end()


def test_serves_again_on_another_loop() -> None:
    made = Bench()
    for number in range(2):
        asyncio.run(serve_once(made, b'{"do": "note", "id": %d}' % number))
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
    async with bench(aiohttp_access_log=True) as served:
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
    async with bench() as served, await RawClient.connect(served.port) as client:
        await webhook(client, b'{"do": "note", "id": 1}')
    assert not [each for each in caplog.records if each.name == "nonebot_aiohttp.access"]


async def test_does_not_serve_twice_at_once() -> None:
    async with bench() as served:
        with pytest.raises(LifecycleError, match="runs already"):
            await served.driver.serve(port=0)
        async with await RawClient.connect(served.port) as client:
            assert (await webhook(client, b'{"do": "note", "id": 1}')).status == 200
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


@pytest.mark.promise("registry: two drivers live in one process")
async def test_two_drivers_in_one_process() -> None:
    async with (
        bench() as first,
        bench() as second,
        Platform(first.port) as platform,
        Platform(second.port) as other,
    ):
        await platform.connect("7")
        await first.noted("connect 7")
        assert list(first.driver.bots) == ["7"]
        assert not second.driver.bots
        first.driver.exit()
        await first.end()
        assert await other.post("7", do="note", id=1) == 200
    assert "connect 7" not in second.notes
    assert "handled 1" not in first.notes


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
async def test_lifespan_in_a_host_of_ones_own(logs: Logs) -> None:
    made = Bench()
    async with made.driver.lifespan() as driver:
        assert driver is made.driver
        assert not driver.session.closed
        driver.exit()
        await settle()
        assert logs.matching("hosted elsewhere", "WARNING")
        assert made.notes == ["startup", "started"]
    assert made.notes[-2:] == SHUTDOWN


@pytest.mark.promise("life: a host may forward no lifespan events")
async def test_lifespan_with_a_startup_hook_that_fails() -> None:
    made = Bench(fail_startup=True)
    with pytest.raises(StartupError):
        async with made.driver.lifespan():
            raise AssertionError("it has not started")
    assert made.notes == ["startup", *SHUTDOWN]


@pytest.mark.promise("life: session, startup hooks, accepting, forward loops: in this order")
async def test_events_before_the_startup_has_ended(tmp_path: Path) -> None:
    made = Bench(start_when=str(tmp_path / "may-start"))
    life = made.driver.lifespan()
    starting = asyncio.create_task(life.__aenter__())
    await made.noted("startup")
    assert await asgi_status(made.driver) == 503
    (tmp_path / "may-start").touch()
    await within(starting)
    assert await asgi_status(made.driver) == 200
    await life.__aexit__(None, None, None)
    assert made.notes == ["startup", "started", "handled 1", *SHUTDOWN]


async def asgi_status(driver: Driver) -> int:
    """Send a webhook through ASGI; return the status."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"do": "note", "id": 1}'}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/platform",
        "headers": [(b"x-self-id", b"7")],
    }
    await driver.asgi(scope, receive, send)
    status: int = sent[0]["status"]
    return status
