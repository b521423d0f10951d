"""What `driver.status()` says under NoneBot2: bots over WebSockets, events, calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nonebot.adapters import Adapter, Bot
from nonebot.drivers import URL, HTTPServerSetup, Request, Response, WebSocketServerSetup
from nonebot.exception import WebSocketClosed

from nonebot_aiohttp.operations.status import Status
from tests.support.hosts import HOSTS, Host
from tests.support.operated import GUARDED, TOKEN, ask, mounted, port_of, read_status
from tests.support.ports import free_port
from tests.support.waiting import eventually, within

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver
from ..support.process import Bot as BotProcess
from ..support.recorder import Recorder, websocket

SECRET = "s3cr3tT0ken1234567"


class SmallBot(Bot):
    """Handles events that are texts."""

    async def handle_event(self, event: Any) -> None:
        """Take as long as the event says, or fail."""
        adapter: Any = self.adapter
        if event == "hang":
            adapter.begun.set()
            await adapter.go.wait()
        elif event == "fail":
            raise RuntimeError("failed")

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send nothing."""


class SmallAdapter(Adapter):
    """Takes the ids of its bots out of the query; each message is an event of each of them."""

    @classmethod
    def get_name(cls) -> str:
        return "Small"

    def __init__(self, driver: Any, **kwargs: Any) -> None:
        super().__init__(driver, **kwargs)
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.setup_websocket_server(
            WebSocketServerSetup(URL("/small/ws"), "Small", self._handle_websocket)
        )
        self.setup_http_server(HTTPServerSetup(URL("/small/"), "POST", "Small", self._handle_http))

    async def _handle_http(self, request: Request) -> Response:
        if request.content == b"fail":
            raise RuntimeError("failed")
        return Response(int(request.content or 200))

    async def _handle_websocket(self, ws: Any) -> None:
        await ws.accept()
        if "late" in ws.request.url.query:
            await ws.receive()
        await self.serve(ws, ws.request.url.query.get("ids", "1").split(","))

    async def serve(self, ws: Any, ids: list[str]) -> None:
        """Connect bots, and read until the end."""
        bots = [SmallBot(self, each) for each in ids]
        for each in bots:
            self.bot_connect(each)
        try:
            while True:
                event = await ws.receive()
                await ws.send("ok")
                for each in bots:
                    task = asyncio.create_task(each.handle_event(event))
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)
        except WebSocketClosed:
            pass
        finally:
            for each in bots:
                self.bot_disconnect(each)

    async def connect(self, url: str, ids: list[str]) -> None:
        """Connect to a platform, and serve until the end."""
        async with self.websocket(Request("GET", url)) as ws:
            await self.serve(ws, ids)

    async def _call_api(self, bot: Bot, api: str, **data: Any) -> Any:
        """Call nothing."""


def small(**settings: Any) -> tuple[Any, SmallAdapter]:
    """Make a driver with the adapter."""
    driver = make_driver(Candidate(OURS), aiohttp_ops_port="0", aiohttp_ops_token=TOKEN, **settings)
    adapter = SmallAdapter(driver)
    driver._adapters["Small"] = adapter
    return driver, adapter


def bots(status: Status) -> list[tuple[str, str, int | None]]:
    """Return id, way and messages of the connected bots."""
    return [(each.id, each.way, each.messages) for each in status.bots]


def work(status: Status) -> dict[str, tuple[int, int | None, int]]:
    """Return how many tasks of each kind are in flight, have failed, and were cut off."""
    return {each.kind: (each.in_flight, each.failed, each.cut_off) for each in status.work}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a platform's client."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(params=["own_process", "asgi", "subapp"])
def serving(request: pytest.FixtureRequest) -> Any:
    """Give hosts of both transports."""
    return HOSTS[request.param]


def url_of(host: Host, ids: str, query: str = "") -> str:
    """Return the address of the WebSocket of bots."""
    return f"ws://127.0.0.1:{host.port}{host.prefix}/small/ws?ids={ids}{query}"


@pytest.mark.promise("operations: under NoneBot2 bots show by which WebSocket they have connected")
async def test_bots_over_a_reverse_websocket(serving: Any, session: aiohttp.ClientSession) -> None:
    driver, _ = small()
    async with serving(driver) as host, session.ws_connect(url_of(host, "1,2")) as ws:
        await eventually(lambda: len(driver.bots) == 2)
        for number in range(40):
            await ws.send_str("x")
            await within(ws.receive())
            for self_id in ("1", "2"):
                assert (self_id, "reverse WebSocket", number + 1) in bots(driver.status())
        (messages,) = driver.status().messages
        assert (messages.adapter, messages.received, messages.sent) == ("Small", 40, 40)
        assert driver.status().connected == {"Small": 2}
        await ws.close(code=4001, message=f"bye token={SECRET}".encode())
        await eventually(lambda: not driver.bots)
        assert {(each.id, each.reason) for each in driver.status().gone} == {
            ("1", "4001 bye token=***"),
            ("2", "4001 bye token=***"),
        }
        async with session.ws_connect(url_of(host, "2")):
            await eventually(lambda: driver.bots)
            assert [each.id for each in driver.status().gone] == ["1"]
            assert driver.status().messages == (messages,)


async def test_a_bot_that_connects_after_the_first_message(
    serving: Any, session: aiohttp.ClientSession
) -> None:
    """Its messages are those since then, as OneBot v12 says who it is in the first one."""
    driver, _ = small()
    async with serving(driver) as host, session.ws_connect(url_of(host, "1", "&late=1")) as ws:
        await ws.send_str("I am 1")
        await eventually(lambda: driver.bots)
        assert bots(driver.status()) == [("1", "reverse WebSocket", 0)]
        await ws.send_str("x")
        await within(ws.receive())
        assert bots(driver.status()) == [("1", "reverse WebSocket", 1)]
        assert driver.status().messages[0].received == 2


async def test_a_bot_that_connects_after_the_websocket_of_its_task_has_closed(
    session: aiohttp.ClientSession,
) -> None:
    """A task that a handler has started inherits the WebSocket, and may outlive it."""
    driver, adapter = small()
    go, bot = asyncio.Event(), SmallBot(adapter, "9")

    async def connect_later() -> None:
        await go.wait()
        adapter.bot_connect(bot)

    async def serve(ws: Any) -> None:
        adapter.tasks.add(asyncio.create_task(connect_later()))
        await ws.accept()

    driver.setup_websocket_server(WebSocketServerSetup(URL("/short"), "Short", serve))
    async with HOSTS["own_process"](driver) as host:
        async with session.ws_connect(f"ws://127.0.0.1:{host.port}/short") as ws:
            await within(ws.receive())
        go.set()
        await within(asyncio.gather(*adapter.tasks))
        assert bots(driver.status()) == [("9", "", None)]
        adapter.bot_disconnect(bot)
        assert [each.reason for each in driver.status().gone] == [""]


async def test_a_bot_that_another_object_of_its_id_disconnects() -> None:
    driver, adapter = small()
    async with driver.lifespan():
        adapter.bot_connect(SmallBot(adapter, "1"))
        adapter.bot_disconnect(SmallBot(adapter, "1"))
        assert (driver.bots, bots(driver.status()), driver.status().connected) == ({}, [], {})


async def test_a_bot_of_another_adapter_is_not_over_the_websocket_of_its_task(
    session: aiohttp.ClientSession,
) -> None:
    """An event of one adapter may lead to a login at another one."""

    class OtherAdapter(SmallAdapter):
        @classmethod
        def get_name(cls) -> str:
            return "Other"

    driver, adapter = small()
    other = OtherAdapter(driver)
    bot = SmallBot(other, "9")

    async def serve(ws: Any) -> None:
        await ws.accept()
        adapter.bot_connect(SmallBot(adapter, "1"))
        await ws.receive()
        other.bot_connect(bot)
        await ws.receive()

    driver.setup_websocket_server(WebSocketServerSetup(URL("/both"), "Both", serve))
    async with (
        HOSTS["own_process"](driver) as host,
        session.ws_connect(f"ws://127.0.0.1:{host.port}/both") as ws,
    ):
        await ws.send_str("login")
        await eventually(lambda: "9" in driver.bots)
        assert bots(driver.status()) == [("1", "reverse WebSocket", 1), ("9", "", None)]
        assert [each.adapter for each in driver.status().messages] == ["Small"]


async def test_bots_over_a_forward_websocket(recorder: Recorder) -> None:
    driver, adapter = small()
    go = asyncio.Event()

    @recorder.answer("/platform")
    async def answer(request: Any) -> Any:
        async with websocket(request) as ws:
            for _ in range(17):
                await ws.ping()
                await ws.send_str("x")
            await go.wait()
        return ws

    async with driver.lifespan():
        connecting = asyncio.create_task(
            adapter.connect(recorder.url("/platform", scheme="ws"), ["1", "2"])
        )
        try:
            await eventually(lambda: [each.messages for each in driver.status().bots] == [17] * 2)
            assert {each.way for each in driver.status().bots} == {"forward WebSocket"}
        finally:
            go.set()
            await within(connecting)
        (messages,) = driver.status().messages
        assert (messages.received, messages.sent) == (17, 17)
        (calls,) = driver.status().calls
        assert (calls.ok, calls.errors) == (1, 0)
        # A bot that connects by itself is not over the WebSocket of before.
        bot = SmallBot(adapter, "3")
        adapter.bot_connect(bot)
        assert bots(driver.status()) == [("3", "", None)]
        adapter.bot_disconnect(bot)


@pytest.mark.promise("operations: under NoneBot2 the events in flight are counted")
async def test_events_in_flight_and_cut_off(serving: Any, session: aiohttp.ClientSession) -> None:
    driver, adapter = small(aiohttp_drain_timeout=0.1)
    async with serving(driver) as host, session.ws_connect(url_of(host, "1")) as ws:
        await ws.send_str("hang")
        await within(adapter.begun.wait())
        assert work(driver.status())["event"] == (1, None, 0)
        assert work(driver.status())["WebSocket handler"] == (1, 0, 0)
        # A registry of prometheus-client is asked in a thread.
        elsewhere = await asyncio.to_thread(driver.status)
        assert work(elsewhere)["event"] == (1, None, 0)
        assert (await read_status(port_of(driver)))["work"][-1] == {
            "kind": "event",
            "in_flight": 1,
            "failed": None,
            "cut_off": 0,
        }
        adapter.go.set()
        await driver._operations.observer.current()
        await eventually(lambda: not adapter.tasks)
        await driver._operations.observer.current()
        assert work(driver.status())["event"] == (0, None, 0)
        adapter.go.clear()
        adapter.begun.clear()
        await ws.send_str("hang")
        await within(adapter.begun.wait())
    assert work(driver.status())["event"] == (0, None, 1)


async def test_webhooks_by_class(serving: Any, session: aiohttp.ClientSession) -> None:
    driver, _ = small()
    async with serving(driver) as host:
        url = f"http://127.0.0.1:{host.port}{host.prefix}/small/"
        for body in (b"", b"204", b"302", b"404", b"503", b"999", b"fail"):
            async with session.post(url, data=body, allow_redirects=False):
                pass
        (webhooks,) = driver.status().webhooks
        assert webhooks.answered == {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 3}
        assert driver.status().refused == {"the adapter refused": 2}
        assert work(driver.status())["HTTP handler"] == (0, 1, 0)


async def test_calls_by_outcome(recorder: Recorder) -> None:
    driver, _ = small()
    recorder.respond("/404", status=404)
    recorder.respond("/500", status=500)
    async with driver.lifespan():
        for path in ("/", "/404", "/500"):
            await driver.request(Request("GET", recorder.url(path)))
        async with driver.get_session() as session:
            await session.request(Request("GET", recorder.url("/404")))
        with pytest.raises(aiohttp.ClientError):
            await driver.request(Request("GET", "http://127.0.0.1:1/"))
        found = {each.host: each.asdict() for each in driver.status().calls}
    host = f"127.0.0.1:{recorder.port}"
    assert found[host] == {"host": host, "ok": 1, "refused": 2, "failed": 1, "errors": 0}
    assert found["127.0.0.1:1"]["errors"] == 1


async def test_the_state_and_the_versions(serving: Any) -> None:
    driver, _ = small()
    seen: list[str] = []
    driver.on_startup(lambda: seen.append(driver.status().state))
    driver.on_shutdown(lambda: seen.append(driver.status().state))
    assert driver.status().state == "not started"
    async with serving(driver):
        seen.append(driver.status().state)
        status = driver.status()
        assert json.loads(json.dumps(status.asdict())) == status.asdict()
        assert "nonebot2" in status.versions
    assert seen == ["starting", "running", "stopping"]
    assert driver.status().state == "not started"


def test_a_nonebot_without_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr("nonebot.__version__", None)
    driver, _ = small()
    assert driver.status().versions["nonebot2"] == "unknown"


async def test_the_paths_of_operators(serving: Any) -> None:
    driver, _ = small()
    async with serving(driver):
        for path in GUARDED:
            assert (await ask(port_of(driver), path)).status == 401
        assert (await ask(port_of(driver), "/readyz")).text == "ok\n"
        assert (await read_status(port_of(driver)))["state"] == "running"


async def test_the_paths_in_a_site() -> None:
    class Site:
        """What `mounted` needs of a driver."""

        def __init__(self, driver: Any) -> None:
            self.server_app, self.operations = driver.aiohttp_app, driver.operations

    driver, _ = small()
    site: Any = Site(driver)
    async with mounted(site) as (port, prefix):
        assert (await ask(port, f"{prefix}/readyz")).text == "ok\n"
        assert (await ask(port, f"{prefix}/status")).status == 401
        assert (await read_status(port, prefix))["versions"]["nonebot2"]


@pytest.mark.stock_is_wrong("fastapi", "only this package has these paths")
async def test_the_paths_under_every_host(
    hosted_driver: Candidate, tmp_path: Path, recorder: Recorder
) -> None:
    port = free_port()
    settings: dict[str, Any] = {
        "aiohttp_ops_port": port,
        "aiohttp_ops_token": TOKEN,
        "platform": recorder.url(""),
    }
    async with BotProcess("hosted_bot", hosted_driver, tmp_path, **settings) as bot:
        assert (await ask(port, "/readyz")).text == "ok\n"
        for path in GUARDED:
            assert (await ask(port, path)).status == 401
        status = await read_status(port)
        assert status["state"] == "running"
        assert status["versions"]["nonebot2"]
        await bot.stop()
        assert TOKEN not in bot.text
    with pytest.raises(ConnectionRefusedError):
        await ask(port, "/livez")
