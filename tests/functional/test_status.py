"""What `driver.status()` says of connections, bots, webhooks and handlers, over real sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import Any

import pytest

from nonebot_aiohttp import Driver, HTTPConnection, HTTPRequest, StartupError
from nonebot_aiohttp.operations.status import BotStatus, Status
from tests.support import frames
from tests.support.bots import (
    Adapter,
    Decision,
    RecordingBot,
    deciding,
    make_driver,
    new_adapter,
    running,
)
from tests.support.forward import WEBSOCKET, bot_of
from tests.support.hosts import HOSTS, Serving
from tests.support.logs import Logs
from tests.support.scripts import send_frames
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually, settle, within

COUNTS = [0, 1, 15, 16, 17, 40]
"""How many messages come; the reader counts them in turns of 16."""

SECRET = "s3cr3tT0ken1234567"


def the_bot(driver: Driver) -> BotStatus:
    """Return the only bot that is connected."""
    (found,) = driver.status().bots
    return found


def messages(status: Status) -> list[tuple[str, int, int]]:
    """Return the counts of messages."""
    return [(each.adapter, each.received, each.sent) for each in status.messages]


async def counted(driver: Driver, number: int) -> None:
    """Wait until so many messages of the only bot are counted."""
    await eventually(lambda: the_bot(driver).messages == number)


# The states


@pytest.mark.promise("operations: driver.status() can be asked in every state, under every host")
async def test_the_state_and_since_when(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)
    seen: list[tuple[str, bool]] = []

    def look() -> None:
        status = driver.status()
        assert began <= status.state_since <= time.time()
        json.dumps(status.asdict())
        seen.append((status.state, status.uptime is None))

    began = time.time()
    driver.on_startup(look)
    driver.on_shutdown(look)
    before = driver.status()
    assert (before.state, before.uptime, before.loop_lag) == ("not started", None, None)
    began = time.time()
    async with serving(driver):
        look()
        assert 0 <= (driver.status().uptime or 0) <= time.time() - began
    after = driver.status()
    assert seen == [("starting", True), ("running", False), ("stopping", True)]
    assert (after.state, after.uptime, after.loop_lag) == ("not started", None, None)
    assert after.state_since >= began


def test_the_status_of_a_driver_that_never_runs() -> None:
    status = make_driver(new_adapter()).status()
    assert set(status.versions) == {"nonebot_aiohttp", "aiohttp", "python"}
    assert json.loads(json.dumps(status.asdict()))["state"] == "not started"
    assert (status.bots, status.gone, status.loops, status.calls) == ((), (), (), ())
    assert status.certificate_expires is None


async def test_the_state_after_a_start_that_failed() -> None:
    driver = make_driver(new_adapter())
    seen: list[str] = []

    @driver.on_startup
    def fail() -> None:
        seen.append(driver.status().state)
        raise OSError("the database is away")

    with pytest.raises(StartupError):
        async with driver.lifespan():
            pass
    assert seen == ["starting"]
    assert driver.status().state == "not started"


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))


async def test_it_is_frozen_and_made_of_plain_values(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.bot_connected():
        await host.post()
        status = driver.status()
        parts: list[Any] = [status, *status.bots, *status.webhooks, *status.work]
        for part in [*parts, *status.messages]:
            for field in dataclasses.fields(part):
                with pytest.raises(dataclasses.FrozenInstanceError):
                    setattr(part, field.name, None)
        plain = status.asdict()
        assert _is_plain(plain)
        assert json.loads(json.dumps(plain)) == plain
        # What is changed in one is not changed in the driver.
        plain["bots"].clear()
        assert len(driver.status().bots) == 1


# WebSockets


@pytest.mark.promise("operations: messages of WebSockets are counted exactly, at any moment")
@pytest.mark.parametrize("count", COUNTS)
async def test_messages_are_counted_exactly(serving: Serving, count: int) -> None:
    adapter, expected = new_adapter(), list[tuple[str, int, int]]()
    driver = make_driver(adapter)
    async with serving(driver) as host:
        for turn in (1, 2):
            async with host.bot_connected() as client:
                assert the_bot(driver).messages == 0
                for number in range(count):
                    await client.send_frame(frames.ping(b"?"))
                    await client.send_frame(frames.text("x"), frames.ping(b"!"))
                    await counted(driver, number + 1)
                for _ in range(count):
                    await client.send_frame(frames.binary(b"x"), frames.pong())
                handled = turn * 2 * count
                await eventually(lambda: len(adapter.messages) == handled)  # noqa: B023
                await settle()
                assert the_bot(driver).messages == 2 * count
                bot = bot_of(driver)
                await bot.socket.send("text")
                await bot.socket.send_bytes(b"bytes")
                expected[:] = [("recorder", handled, 2 * turn)]
                assert messages(driver.status()) == expected
                await client.send_frame(frames.close())
                await client.read_close()
            await eventually(lambda: not driver.bots)
            assert messages(driver.status()) == expected
    assert messages(driver.status()) == expected


@pytest.mark.parametrize("count", COUNTS)
async def test_messages_of_a_forward_websocket_are_counted(
    driver: Driver, adapter: Adapter, count: int
) -> None:
    items = [frames.ping(), *[frames.text("x"), frames.ping()] * count]
    async with WEBSOCKET.running(driver, send_frames(*items)):
        await eventually(lambda: driver.bots and len(adapter.messages) == count)
        await settle()
        bot = the_bot(driver)
        assert (bot.way, bot.messages) == ("forward WebSocket", count)
        await bot_of(driver).socket.send("x")
        assert messages(driver.status()) == [("recorder", count, 1)]
    assert messages(driver.status()) == ([("recorder", count, 1)])


async def test_a_handler_sees_the_messages_before_its_own(serving: Serving) -> None:
    counts, seen = list[int | None](), asyncio.Queue[None]()

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            await asyncio.sleep(0)
            counts.append(the_bot(driver).messages)
            seen.put_nowait(None)

    driver = make_driver(Recorder)
    async with serving(driver) as host, host.bot_connected() as client:
        for _ in range(1, 20):
            await client.send_frame(frames.text("x"))
            await within(seen.get())
    assert counts == [*range(1, 20)]


async def test_when_the_last_message_came(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)
    sampler = driver._operations.observer.sampler
    async with serving(driver) as host, host.bot_connected() as client:
        await sampler.look()
        assert the_bot(driver).last_message is None
        began = int(time.time())
        await client.send_frame(frames.text("x"))
        await eventually(lambda: the_bot(driver).messages == 1)
        await sampler.look()
        last = the_bot(driver).last_message
        assert last is not None
        assert began <= last <= time.time()
        await sampler.look()
        assert the_bot(driver).last_message == last
        assert driver.status().loop_lag is not None


async def test_what_is_said_of_a_connected_bot(serving: Serving, adapter: Adapter) -> None:
    driver, began = make_driver(adapter), time.time()
    async with serving(driver) as host, host.bot_connected():
        bot, status = the_bot(driver), driver.status()
        assert (bot.adapter, bot.id, bot.way) == ("recorder", "1", "reverse WebSocket")
        assert began <= bot.connected_since <= time.time()
        assert status.connected == {"recorder": 1}
        assert status.gone == ()
    assert driver.status().connected == {}


async def test_a_bot_whose_adapter_has_replaced_its_request(serving: Serving) -> None:
    class Recorder(RecordingBot):
        def __init__(self, self_id: str, request: HTTPConnection) -> None:
            super().__init__(self_id, request)
            self.request: Any = object()

    async with serving(make_driver(Recorder)) as host, host.bot_connected() as client:
        await client.send_frame(frames.text("x"))
        await counted(host.driver, 1)
        await client.send_frame(frames.close(4001))
        await eventually(lambda: not host.driver.bots)
        assert [each.reason for each in host.driver.status().gone] == ["4001"]


# Bots that have gone


@pytest.mark.promise("operations: bots that have gone are shown with the reason until they return")
async def test_a_bot_goes_and_returns(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host:
        async with host.bot_connected() as client:
            await client.send_frame(frames.close(4001, f"bye token={SECRET} \x1b[31m{SECRET}"))
            await client.read_close()
            await eventually(lambda: not driver.bots)
        (gone,) = driver.status().gone
        assert (gone.adapter, gone.id, gone.way) == ("recorder", "1", "reverse WebSocket")
        assert gone.reason.startswith("4001 bye token=***")
        assert SECRET not in gone.reason
        assert gone.reason.isprintable()
        async with host.bot_connected():
            assert driver.status().gone == ()
        async with host.bot_connected({"X-Self-ID": "2"}):
            await eventually(lambda: len(driver.status().gone) == 1)
    assert {each.id for each in driver.status().gone} == {"1", "2"}


async def test_a_second_connection_of_a_bot(adapter: Adapter) -> None:
    driver = make_driver(adapter)
    async with HOSTS["own_process"](driver) as host, host.bot_connected() as first:
        async with await host.client() as second:
            asking = asyncio.ensure_future(host.upgrade(second))
            assert (await first.read_frame()).opcode == frames.Opcode.PING
            await first.send_frame(frames.pong(b"alive?"))
            assert (await within(asking)).status == 409
        assert driver.status().refused == {"the bot is connected already": 1}
        assert the_bot(driver).messages == 0


async def test_a_connection_that_replaces_another(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter, aiohttp_duplicate_bot="replace")
    async with serving(driver) as host, host.bot_connected() as first:
        await first.send_frame(frames.text("x"))
        await counted(driver, 1)
        async with host.connected():
            await counted(driver, 0)
            status = driver.status()
            assert (status.gone, status.connected) == ((), {"recorder": 1})
            assert messages(status) == [("recorder", 1, 0)]
            await first.read_close()


async def test_a_lost_connection_is_a_reason(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host:
        async with host.bot_connected() as client:
            client.reset()
            await eventually(lambda: not driver.bots)
        (gone,) = driver.status().gone
        # uvicorn says 1005 of a connection without a close frame.
        assert gone.reason[:4] in ("1006", "1005")


async def test_a_bot_that_an_adapter_connects_by_itself(adapter: Adapter) -> None:
    async with running(adapter) as driver:
        bot = adapter("1", HTTPRequest("1.1", "http", "/"))
        driver._bot_connect(bot)
        assert [(each.way, each.messages) for each in driver.status().bots] == [("", None)]
        driver._bot_disconnect(bot)
        driver._bot_disconnect(bot)
        assert [each.reason for each in driver.status().gone] == [""]
        assert driver.status().connected == {}


@pytest.mark.promise("operations: the status stays bounded whatever peers make up")
async def test_peers_make_up_ids_paths_and_reasons(serving: Serving, logs: Logs) -> None:
    driver = make_driver(new_adapter())
    async with serving(driver) as host:
        for number in range(150):
            async with host.connected({"X-Self-ID": f"made-up-{number}"}):
                pass
            assert (await host.request("POST", f"/adapter{number}/")).status == 404
            assert (await host.request("GET", f"/x/y/z/{number}")).status == 404
        assert (await host.post(headers={"X-Self-ID": "x" * 300})).status == 400
        await eventually(lambda: len(driver.status().gone) == 100 and not driver.bots)
        status = driver.status()
        assert status.gone[-1].id == "made-up-149"
        assert len(json.dumps(status.asdict())) < 30_000
        assert {each.adapter for each in status.webhooks} <= {"recorder", "unknown"}
        # An application that the driver is attached to answers for the other paths itself.
        assert set(status.refused) <= {
            "not found",
            "no such adapter",
            "the bot's id is not printable text of up to 256 characters",
        }


async def test_ten_thousand_ids_leave_a_hundred(adapter: Adapter) -> None:
    async with running(adapter) as driver:
        for number in range(10_000):
            bot = adapter(f"{number}", HTTPRequest("1.1", "http", "/"))
            driver._bot_connect(bot)
            driver._bot_disconnect(bot)
        status, records = driver.status(), driver._connected_bots.records
        assert len(status.gone) == len(records._gone) == 100
        assert not records._records
        assert records.connected == {}


@pytest.mark.parametrize("self_id", ["<script>", "机器人", "a" * 256, "a token=" + SECRET])
async def test_an_id_is_shown_as_the_log_shows_it(self_id: str) -> None:
    async def decide(request: HTTPConnection) -> Decision:
        return self_id, None

    driver = make_driver(deciding(decide))
    async with HOSTS["own_process"](driver) as host, host.connected():
        await eventually(lambda: driver.bots)
        shown = the_bot(driver).id
        assert len(shown) < 70
        assert SECRET not in shown
        assert driver._operations.observer.missing([self_id, "other"]) == ["other"]


async def test_a_stop_while_messages_come(driver: Driver, adapter: Adapter) -> None:
    """The counts of a connection that the stop closes stay."""

    async def script(connection: Connection) -> None:
        await connection.upgrade()
        for _ in range(33):
            await connection.send_frame(frames.text("x"))
        await connection.read_close()

    async with WEBSOCKET.running(driver, script) as server:
        assert isinstance(server, ScriptedServer)
        await eventually(lambda: len(adapter.messages) == 33)
    assert messages(driver.status()) == [("recorder", 33, 0)]
