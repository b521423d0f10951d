"""The extra fields of records, by which sinks are asked: ``adapter``, ``bot`` and ``peer``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from loguru import logger

from nonebot_aiohttp import HTTPResponse, WebSocketClosed
from tests.support import frames, scripts
from tests.support.bots import Adapter, RecordingBot, answering, make_driver, new_adapter
from tests.support.client import RawClient
from tests.support.clock import FakeClock
from tests.support.forward import Way, clocked_driver, making, websocket
from tests.support.hosts import Serving, attached, own_process
from tests.support.logs import Logs, collected_logs
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle

ADAPTER = {"adapter": "recorder"}
BOT = {**ADAPTER, "bot": "1"}
PEER = {"peer": "127.0.0.1"}


async def fail(bot: Any, message: bytes = b"") -> None:
    raise ValueError("wrong")


def failing() -> Adapter:
    """Return an adapter whose handlers fail."""
    return type("Recorder", (RecordingBot,), {"react": fail})


async def call(bot: RecordingBot, message: bytes) -> None:
    """Call an API until the connection has ended."""
    while True:
        await bot.send(None, "call")
        await asyncio.sleep(0)


@pytest.mark.promise(
    "operations: records about an adapter, a bot or a peer name it in extra fields, by which sinks"
    " can be asked"
)
async def test_a_reverse_websocket_from_its_handshake_to_its_end(
    serving: Serving, logs: Logs
) -> None:
    driver = make_driver(failing(), aiohttp_duplicate_bot="reject")
    driver.on_bot_connect(fail)
    async with serving(driver) as host, host.bot_connected() as client:
        await client.send_frame(frames.text("event"))
        await eventually(lambda: logs.matching("A handler of"))
        async with await host.client() as second:
            assert (await host.upgrade(second)).status == 409
        await client.send_frame(frames.close(1000))
        await eventually(lambda: logs.matching("disconnected"))
    assert logs.about("Bot 1 of recorder connected") == [BOT | PEER]
    assert logs.about("The bot connect hook") == [BOT]
    assert logs.about("A handler of bot 1 of recorder failed") == [BOT]
    assert logs.about("bot 1 is already connected") == [BOT | PEER]
    assert logs.about("Bot 1 of recorder disconnected") == [BOT | PEER]
    assert logs.about("Registered adapter") == [ADAPTER]
    assert logs.about("Stopped") == [{}] * len(logs.matching("Stopped"))


@pytest.mark.promise(
    "operations: records about an adapter, a bot or a peer name it in extra fields, by which sinks"
    " can be asked"
)
async def test_a_webhook(serving: Serving, logs: Logs) -> None:
    async with serving(make_driver(failing())) as host:
        await host.post()
        await host.post(headers={"X-Other": "1"})
        await host.request("POST", "/other/")
        await host.request("GET", "/no/such/path")
        await host.request("POST", "/v1/recorder/events")
        await host.post(headers={"X-Self-ID": "1", "Origin": "https://a.example"})
    assert logs.about("A handler of bot 1 of recorder failed") == [BOT]
    assert logs.about("the adapter refused") == [ADAPTER | PEER]
    assert logs.about("aiohttp_allowed_origins") == [ADAPTER | PEER]
    if serving is not attached:
        # The site answers what the bot has no path for. What a peer makes up is not an adapter.
        assert logs.about("no such adapter") == [PEER]
        assert logs.about("not found: /no/such/path") == [PEER]
        assert logs.about("the platform has to use") == [ADAPTER | PEER]


async def test_what_an_adapter_does_wrong(logs: Logs) -> None:
    for adapter, text in (
        (answering("1", HTTPResponse(200, b"", {"a": "b\n"})), "cannot be sent"),
        (answering(*[("1", None, None)] * 2), "check_permission"),  # type: ignore[arg-type]
    ):
        async with own_process(make_driver(adapter)) as host:
            assert (await host.post()).status == 500
        assert ADAPTER.items() <= logs.about(text)[0].items()
        logs.clear()


async def test_what_is_counted_is_its_adapters(logs: Logs) -> None:
    driver = make_driver(failing())
    async with own_process(driver) as host:
        for self_id in "12":
            await host.post(headers={"X-Self-ID": self_id})
    (counted,) = logs.matching("more time(s)")
    assert counted.extra == ADAPTER


async def test_calls_on_a_connection_that_has_ended(logs: Logs) -> None:
    adapter: Adapter = type("Recorder", (RecordingBot,), {"react": call})
    async with own_process(make_driver(adapter)) as host, host.bot_connected() as client:
        await client.send_frame(frames.text("event"))
        await client.read_frame()
        client.abort()
        await eventually(lambda: logs.matching(WebSocketClosed.__name__))
    (warned,) = logs.matching(WebSocketClosed.__name__, "WARNING")
    assert warned.extra == BOT


async def test_what_the_stop_cuts_off(logs: Logs) -> None:
    adapter: Adapter = type("Recorder", (RecordingBot,), {"react": hang})
    driver = make_driver(adapter, aiohttp_drain_timeout=0, aiohttp_close_timeout=0.2)
    driver.on_bot_disconnect(hang)
    async with own_process(driver) as host, host.bot_connected() as client:
        await client.send_frame(frames.text("event"))
        await eventually(lambda: adapter.messages)
    found = logs.matching("Cut off")
    assert [each.extra for each in found] == [ADAPTER] * len(found)
    assert found


async def hang(*_: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_crowded_connection_and_one_that_is_replaced(logs: Logs) -> None:
    adapter: Adapter = type("Recorder", (RecordingBot,), {"react": hang})
    settings: dict[str, Any] = {
        "aiohttp_max_inflight": 3,
        "aiohttp_duplicate_bot": "replace",
        "aiohttp_drain_timeout": 0,
    }
    async with (
        own_process(make_driver(adapter, **settings)) as host,
        host.bot_connected(),
        host.connected() as client,
    ):
        while not logs.matching("1013"):
            await client.send_frame(frames.text("event"))
            await settle()
        await client.read_close()
    assert logs.about("run at once") == [BOT]
    assert logs.about("replaces the old one") == [BOT]
    assert logs.about("1013") == [BOT | PEER]


async def test_hooks_around_calls_of_apis(logs: Logs) -> None:
    adapter = new_adapter()
    adapter.on_calling_api(lambda *_: fail(None))
    async with own_process(make_driver(adapter)) as host, host.bot_connected():
        await host.driver.bots["1"].call_api("do")
    assert logs.about("The calling-API hook") == [BOT]


@pytest.mark.promise(
    "operations: records about an adapter, a bot or a peer name it in extra fields, by which sinks"
    " can be asked"
)
async def test_a_forward_connection(way: Way, fake_clock: FakeClock, logs: Logs) -> None:
    driver = clocked_driver(fake_clock, failing())
    driver.on_bot_disconnect(fail)
    async with way.running(driver, scripts.status(502), way.good) as server:
        await fake_clock.slept(1)
        await fake_clock.advance_to_next()
        await eventually(lambda: logs.matching("A handler of"))
        assert server.attempts
    for text in ("the next attempt is in", "is back after", "A handler of", "disconnect hook"):
        assert logs.about(text)[0] == BOT, text
    assert logs.about("The bot disconnect hook") == [BOT]
    assert logs.about("Bot 1 of recorder disconnected")[0] == BOT


@pytest.mark.parametrize("made", [False, True])
async def test_the_first_connection_and_the_end_for_good(
    way: Way, fake_clock: FakeClock, logs: Logs, made: bool
) -> None:
    driver = clocked_driver(fake_clock, new_adapter())
    async with ScriptedServer(way.good) as server:
        for name in ("recorder", "other"):
            setup = way.setup(way.url(server), adapter=name)
            way.add(driver, making(setup) if made or name == "other" else setup)
        async with driver.lifespan():
            await eventually(lambda: logs.matching("connected (") and logs.matching("for good"))
    assert logs.about("Bot 1 of recorder connected") == [BOT]
    assert logs.about("has ended for good") == [{"adapter": "other", "bot": "1"}]


async def test_a_loop_that_does_not_end(
    fake_clock: FakeClock, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of the waits, which know only what the loop tells them."""
    monkeypatch.setattr("nonebot_aiohttp.life.waiting.CANCEL_GRACE", 0.01)
    driver, stuck = clocked_driver(fake_clock, new_adapter()), asyncio.Event()

    async def connect(*_: Any) -> None:
        while not stuck.is_set():
            with suppress(asyncio.CancelledError):
                await stuck.wait()

    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.ws_url))
        monkeypatch.setattr("nonebot_aiohttp.forward.reconnect.ReconnectLoop._connect", connect)
        async with driver.lifespan():
            await settle()
    assert logs.about("left something that did not end")[0] == BOT
    stuck.set()
    await settle()


@pytest.mark.promise(
    "operations: records about an adapter, a bot or a peer name it in extra fields, by which sinks"
    " can be asked"
)
async def test_a_sink_is_asked_by_bot(fake_clock: FakeClock) -> None:
    driver, asked = make_driver(new_adapter()), Logs()
    sink = logger.add(asked.add, level=0, filter=lambda record: record["extra"].get("bot") == "2")
    try:
        async with own_process(driver) as host:
            for self_id in "123":
                async with host.connected({"X-Self-ID": self_id}) as client:
                    await eventually(lambda: driver.bots)
                    await close(client)
                await eventually(lambda: not driver.bots)
    finally:
        logger.remove(sink)
    assert [each.message.partition(" (")[0] for each in asked] == [
        "Bot 2 of recorder connected",
        "Bot 2 of recorder disconnected",
    ]


async def close(client: RawClient) -> None:
    await client.send_frame(frames.close(1000))
    await client.read_to_end()


async def test_fields_show_what_the_log_may_show(logs: Logs) -> None:
    """A peer can make up an id, and may put a token into it."""
    self_id = "token=0123456789abcdef" + "x" * 100
    async with (
        own_process(make_driver(new_adapter())) as host,
        host.connected({"X-Self-ID": self_id}) as client,
    ):
        await close(client)
    (fields,) = logs.about(" connected (")
    assert fields == {**BOT, **PEER, "bot": "token=***"}


def test_records_about_nobody_have_no_fields() -> None:
    with collected_logs() as logs:
        make_driver(aiohttp_hartbeat=1)
    assert [each.extra for each in logs] == [{}]
