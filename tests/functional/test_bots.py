"""Connected bots: one live connection for an id, and the hooks around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from nonebot_aiohttp import Driver, HTTPRequest
from tests.support import frames
from tests.support.bots import Adapter, make_driver, new_adapter
from tests.support.client import RawClient
from tests.support.forward import bot_of
from tests.support.frames import Opcode
from tests.support.hosts import Host, asgi, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

OTHER = {"X-Self-ID": "2"}


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[tuple[Driver, Host]]:
    """Give a driver in its own process, whose connections ping only when they are probed."""
    driver = make_driver(new_adapter(), aiohttp_heartbeat=None, **settings)
    async with own_process(driver) as host:
        yield driver, host


async def answer_pings(client: RawClient) -> None:
    """Answer every ping until the connection ends."""
    while (frame := await client.read_frame()).opcode != Opcode.CLOSE:
        if frame.opcode == Opcode.PING:
            await client.send_frame(frames.pong(frame.payload))


@asynccontextmanager
async def answering(client: RawClient) -> AsyncIterator[None]:
    """Answer the client's pings meanwhile."""
    task = asyncio.create_task(answer_pings(client))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.promise("reverse: a second connection waits for a probe of the first")
async def test_probe_keeps_an_old_connection_that_lives(logs: Logs) -> None:
    async with running() as (driver, host), host.bot_connected() as old:
        bot = driver.bots["1"]
        async with answering(old), await host.client() as new:
            response = await host.upgrade(new)
            assert (response.status, response.text) == (409, "bot 1 is already connected")
        assert driver.bots == {"1": bot}
        await bot.send(None, "still here")
        assert (await old.read_frame()).text == "still here"
    assert logs.matching("bot 1 is already connected", "WARNING")


async def test_probe_asks_the_connection_of_a_bot_whose_request_was_replaced() -> None:
    async with running() as (driver, host), host.bot_connected() as old:
        driver.bots["1"].request = HTTPRequest("1.1", "http", "/")
        async with answering(old), await host.client() as new:
            assert (await host.upgrade(new)).status == 409


@pytest.mark.promise("reverse: a second connection waits for a probe of the first")
async def test_probe_replaces_an_old_connection_that_is_silent(logs: Logs) -> None:
    """Trap: a dead reverse connection kept its slot until a restart (go-cqhttp#1321)."""
    async with running(aiohttp_probe_timeout=0.05) as (driver, host), host.bot_connected() as old:
        dead = bot_of(driver)
        async with host.connected() as new:
            await eventually(lambda: driver.bots.get("1") not in (None, dead))
            assert dead.socket.closed
            await old.read_to_end()
            await settle()
            await driver.bots["1"].send(None, "to the new one")
            assert (await new.read_frame()).text == "to the new one"
    assert logs.matching("A new connection of bot 1 of recorder replaces the old one", "WARNING")


@pytest.mark.promise("reverse: a dead connection never blocks its owner's return")
async def test_a_dead_connection_without_fin_does_not_block_its_owners_return() -> None:
    async with running(aiohttp_probe_timeout=0.05) as (driver, host), host.bot_connected() as old:
        old.stop_reading()
        sending = asyncio.create_task(bot_of(driver).socket.send_bytes(b"x" * (16 << 20)))
        await settle()
        async with host.connected():
            await eventually(lambda: sending.done())
            assert isinstance(sending.exception(), ConnectionError)


@pytest.mark.promise("reverse: a setting lets a second connection replace the first, or rejects it")
async def test_replace_does_not_probe() -> None:
    replacing = running(aiohttp_duplicate_bot="replace")
    async with replacing as (driver, host), host.bot_connected() as old:
        first = driver.bots["1"]
        async with host.connected():
            close = await old.read_close()
            assert close.close_code == 1008
            assert close.close_reason == "replaced by a newer connection"
            await old.read_to_end()
            await settle()
            assert driver.bots["1"] is not first


async def test_replace_does_not_wait_for_an_old_one_that_is_dead() -> None:
    settings: dict[str, Any] = {"aiohttp_duplicate_bot": "replace", "aiohttp_close_timeout": 0.1}
    async with running(**settings) as (driver, host), host.bot_connected() as old:
        first = bot_of(driver)
        old.stop_reading()
        async with host.connected():
            await eventually(lambda: driver.bots.get("1") not in (None, first))
            assert first.socket.closed


@pytest.mark.promise("reverse: a setting lets a second connection replace the first, or rejects it")
async def test_reject_keeps_the_old_one() -> None:
    rejecting = running(aiohttp_duplicate_bot="reject")
    async with rejecting as (driver, host), host.connected(), await host.client() as new:
        await eventually(lambda: driver.bots)
        assert (await host.upgrade(new)).status == 409


async def test_a_freed_id_is_free() -> None:
    for policy in ("probe", "replace", "reject"):
        async with running(aiohttp_duplicate_bot=policy) as (driver, host):
            for _ in range(2):
                async with host.bot_connected() as client:
                    await client.send_frame(frames.close())
                    await client.read_close()
                await eventually(lambda: not driver.bots)


@pytest.mark.promise("reverse: probes of one bot run one after the other")
async def test_probes_of_one_id_are_serialised() -> None:
    """Of many that come back at once one gets in, and the others meet it alive."""
    statuses: list[int] = []
    async with running(aiohttp_probe_timeout=60) as (driver, host), host.bot_connected() as old:
        clients = [await host.client() for _ in range(4)]
        lives = [asyncio.create_task(enter_and_live(host, client, statuses)) for client in clients]
        assert (await old.read_frame()).opcode == Opcode.PING
        old.abort()
        await eventually(lambda: len(statuses) == 4)
        assert sorted(statuses) == [101, 409, 409, 409]
        for client, life in zip(clients, lives, strict=True):
            client.abort()
            await within(life)
        await eventually(lambda: not driver.bots)


async def enter_and_live(host: Host, client: RawClient, statuses: list[int]) -> None:
    """Try to enter, and answer pings if that was successful."""
    statuses.append((await host.upgrade(client)).status)
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        await answer_pings(client)


@pytest.mark.promise("reverse: probes of one bot run one after the other")
async def test_a_probe_of_one_id_does_not_hold_up_another() -> None:
    async with (
        running(aiohttp_probe_timeout=5) as (_, host),
        host.bot_connected() as old,
        await host.client() as new,
    ):
        waiting = asyncio.create_task(host.upgrade(new))
        assert (await old.read_frame()).opcode == Opcode.PING
        async with host.connected(OTHER):
            assert not waiting.done()
        await old.send_frame(frames.pong(b"alive?"))
        assert (await waiting).status == 409


async def test_one_that_closes_when_it_is_probed_makes_room() -> None:
    async with (
        running(aiohttp_probe_timeout=60) as (_, host),
        host.bot_connected() as old,
        await host.client() as new,
    ):
        upgrading = asyncio.create_task(host.upgrade(new))
        assert (await old.read_frame()).opcode == Opcode.PING
        await old.send_frame(frames.close())
        assert (await within(upgrading)).status == 101


async def test_a_new_one_that_leaves_while_it_waits_evicts_nobody_alive() -> None:
    async with running(aiohttp_probe_timeout=5) as (driver, host), host.bot_connected() as old:
        bot = driver.bots["1"]
        async with await host.client() as new:
            upgrading = asyncio.create_task(host.upgrade(new))
            assert (await old.read_frame()).opcode == Opcode.PING
            new.reset()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await upgrading
        await old.send_frame(frames.pong(b"alive?"))
        await settle()
        assert driver.bots == {"1": bot}


@pytest.mark.promise("reverse: where the transport cannot ping, the newest connection wins")
async def test_where_the_transport_cannot_ping_the_newest_wins() -> None:
    driver = make_driver(new_adapter())
    async with asgi(driver) as host, host.bot_connected() as old:
        first = driver.bots["1"]
        async with host.connected() as new:
            await eventually(lambda: driver.bots.get("1") not in (None, first))
            close = await old.read_close()
            # Nobody has asked it: that it did not answer would be untrue.
            assert close.close_code == 1008
            assert close.close_reason == "replaced by a newer connection"
            await old.read_to_end()
            await settle()
            await driver.bots["1"].send(None, "newest")
            assert (await new.read_frame()).text == "newest"


@pytest.mark.promise("registry: a late cleanup never evicts a successor")
async def test_entering_a_bot_disconnects_another_one_of_its_id(logs: Logs) -> None:
    async with running() as (driver, _):
        seen: list[tuple[str, Any]] = []
        driver.on_bot_connect(lambda bot: seen.append(("connect", bot)))
        driver.on_bot_disconnect(lambda bot: seen.append(("disconnect", bot)))
        old, new = (new_adapter()("1", HTTPRequest("1.1", "http", "/")) for _ in range(2))
        driver._bot_connect(old)
        driver._bot_connect(new)
        assert driver.bots == {"1": new}
        await eventually(lambda: len(seen) == 3)
        assert ("disconnect", old) in seen
        # Trap: the late end of the old one deletes the new one from `bots` (AstrBot#10155).
        driver._bot_disconnect(old)
        assert driver.bots == {"1": new}
        for _ in range(2):
            driver._bot_disconnect(new)
        assert driver.bots == {}
        await eventually(lambda: len(seen) == 4)
        assert seen[-1] == ("disconnect", new)
        assert not len(driver._connected_bots.records)
    assert logs.messages("WARNING") == [
        "A new connection of bot 1 of recording replaces the old one"
    ]


async def test_one_put_into_bots_by_hand_is_replaced_without_hooks(logs: Logs) -> None:
    async with running() as (driver, _):
        seen: list[Any] = []
        driver.on_bot_disconnect(seen.append)
        old, new = (new_adapter()("1", HTTPRequest("1.1", "http", "/")) for _ in range(2))
        driver.bots["1"] = old
        driver._bot_connect(new)
        assert driver.bots == {"1": new}
        driver._bot_disconnect(new)
        await eventually(lambda: seen == [new])


async def test_hooks_of_the_replaced_bear_the_name_of_its_adapter(logs: Logs) -> None:
    settings = {
        "aiohttp_duplicate_bot": "replace",
        "aiohttp_drain_timeout": 0,
        "aiohttp_close_timeout": 0.5,
    }
    async with running(**settings) as (driver, host), host.bot_connected() as old:

        @driver.on_bot_disconnect
        async def hang(_: Any) -> None:
            await asyncio.get_running_loop().create_future()

        async with host.connected():
            assert (await old.read_close()).close_code == 1008
    (error,) = logs.messages("ERROR")
    assert error.startswith("Cut off 2 hook(s) of recorder that had not ended: tests.functional.")
    # Both are the same hook, of one bot after the other.
    assert error.endswith("<locals>.hang")


@pytest.mark.promise("registry: disconnect hooks of a bot wait for its connect hooks")
async def test_disconnect_hooks_wait_for_the_connect_hooks() -> None:
    """Hooks are ordered, sync or async; for one bot the disconnect hooks come after."""
    seen: list[str] = []
    may_go_on = asyncio.Event()
    async with running() as (driver, host):

        @driver.on_bot_connect
        async def first(bot: Any) -> None:
            await may_go_on.wait()
            seen.append("connect 1")

        @driver.on_bot_connect
        def second(bot: Any) -> None:
            seen.append("connect 2")

        @driver.on_bot_disconnect
        async def third(bot: Any) -> None:
            seen.append("disconnect 1")

        @driver.on_bot_disconnect
        def fourth(bot: Any) -> None:
            seen.append("disconnect 2")

        async with host.bot_connected():
            pass
        await eventually(lambda: not driver.bots)
        await settle()
        assert seen == []
        may_go_on.set()
        await eventually(lambda: len(seen) == 4)
    assert seen == ["connect 1", "connect 2", "disconnect 1", "disconnect 2"]


async def test_connect_hooks_do_not_hold_up_the_messages(adapter: Adapter) -> None:
    driver = make_driver(adapter)
    may_go_on = asyncio.Event()

    @driver.on_bot_connect
    async def slow(bot: Any) -> None:
        await may_go_on.wait()

    async with own_process(driver) as host, host.connected() as client:
        await client.send_frame(frames.text("event"))
        await eventually(lambda: adapter.messages == [b"event"])
        may_go_on.set()


@pytest.mark.promise("registry: hooks run in order, and one that fails does not stop the others")
@pytest.mark.parametrize("kind", ["connect", "disconnect"])
async def test_a_hook_that_fails_is_logged_with_its_name_and_stops_nobody(
    kind: str, logs: Logs
) -> None:
    """Trap: sync hooks crash (2.0.0b5)."""
    seen: list[str] = []
    async with running() as (driver, host):
        register = getattr(driver, f"on_bot_{kind}")

        def broken_hook(bot: Any) -> None:
            raise ValueError("oops")

        register(broken_hook)
        register(lambda bot: seen.append(bot.self_id))
        async with host.bot_connected():
            pass
        await eventually(lambda: seen == ["1"])
    (record,) = logs.matching(f"The bot {kind} hook", "ERROR")
    assert "broken_hook" in record.message


@pytest.mark.parametrize(("policy", "status"), [("probe", 101), ("replace", 101), ("reject", 409)])
async def test_a_bot_without_a_socket_is_replaced_unless_rejected(policy: str, status: int) -> None:
    """As one that polls: nothing can be pinged, so the newest wins."""
    async with running(aiohttp_duplicate_bot=policy) as (driver, host):
        bot = new_adapter()("1", HTTPRequest("1.1", "http", "/"))
        driver._bot_connect(bot)
        async with await host.client() as client:
            assert (await host.upgrade(client)).status == status
            assert (driver.bots["1"] is bot) == (status == 409)
        driver._bot_disconnect(bot)
