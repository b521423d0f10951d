"""Forward WebSockets, which the bot opens: each one shows a ticket that is valid once."""

import pytest
from nonebot_aiohttp.testing import BotProcess, Close, HalfOpen, Platform, Route, StartBot, Status

from playing import answer, said, settings


async def test_a_connection_that_ends_is_opened_again(
    nonebot_platform: Platform, gateway_bot: BotProcess
) -> None:
    await (await nonebot_platform.connected()).fail(Close(4000))
    again = await nonebot_platform.connected()
    await again.send(said("/echo back"))
    await answer(await again.expect({"api": "send_message", "data": {"text": "back"}}))
    await gateway_bot.logged("running complete")


async def test_each_connection_shows_a_ticket_of_its_own(
    nonebot_platform: Platform, gateway_bot: BotProcess
) -> None:
    first = await nonebot_platform.connected()
    await first.close()
    second = await nonebot_platform.connected()
    shown = [each.call.headers["authorization"] for each in (first, second)]
    assert shown == ["Ticket ticket-1", "Ticket ticket-2"]


async def test_retry_after_is_obeyed(nonebot_platform: Platform, nonebot_bot: StartBot) -> None:
    tickets = nonebot_platform.on("POST", "/ticket").fail(Status(503, retry_after=2))
    tickets.reply(json={"ok": True, "result": "ticket"})
    nonebot_bot("bot.py", settings=settings(nonebot_platform, pigeon_gateway=["42"]))
    await nonebot_platform.connected()
    first, second = tickets.calls
    assert second.at - first.at > 1.8


async def test_a_peer_that_has_vanished_is_noticed(
    nonebot_platform: Platform, nonebot_bot: StartBot, tickets: Route
) -> None:
    """Nothing comes any more, and nothing says that the connection has ended."""
    own = settings(nonebot_platform, pigeon_gateway=["42"], pigeon_idle=1)
    nonebot_bot("bot.py", settings=own)
    await (await nonebot_platform.connected()).fail(HalfOpen())
    await nonebot_platform.connected(deadline=30)


@pytest.mark.parametrize("nonebot_driver", ["~none+~httpx+~websockets", "~none+~aiohttp"])
async def test_it_needs_no_server(nonebot_platform: Platform, gateway_bot: BotProcess) -> None:
    connection = await nonebot_platform.connected()
    await connection.send(said("/echo coo"))
    await answer(await connection.expect({"api": "send_message"}))
    await gateway_bot.logged("running complete")
