"""Forward WebSockets: each one shows a ticket that is valid once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from nonebot_aiohttp.testing import BotProcess, Close, HalfOpen, Platform, Status

from playing import OK, said, settings

if TYPE_CHECKING:
    from nonebot_aiohttp.testing.plugin import StartBot

TICKET = {"ok": True, "result": "t1"}


async def test_a_connection_that_ends_is_opened_again(
    nonebot_platform: Platform, gateway_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/ticket").reply(json=TICKET)
    await (await nonebot_platform.connected("/gateway")).fail(Close(4000))
    again = await nonebot_platform.connected("/gateway")
    await again.send(said("/echo back"))
    await again.expect({"api": "send_message", "data": {"chat": "loft", "text": "back"}})


async def test_each_connection_shows_a_ticket_of_its_own(
    nonebot_platform: Platform, gateway_bot: BotProcess
) -> None:
    tickets = nonebot_platform.on("POST", "/ticket").reply(json=TICKET)
    tickets.reply(json={"ok": True, "result": "t2"})
    first = await nonebot_platform.connected()
    await first.close()
    second = await nonebot_platform.connected()
    shown = [each.call.headers["authorization"] for each in (first, second)]
    assert shown == ["Ticket t1", "Ticket t2"]


async def test_retry_after_is_obeyed(nonebot_platform: Platform, gateway_bot: BotProcess) -> None:
    tickets = nonebot_platform.on("POST", "/ticket").fail(Status(503, retry_after=2))
    tickets.reply(json=TICKET)
    await nonebot_platform.connected()
    first, second = tickets.calls
    assert second.at - first.at > 1.8


async def test_a_peer_that_has_vanished_is_noticed(
    nonebot_platform: Platform, nonebot_bot: StartBot
) -> None:
    """Nothing comes any more, and nothing says that the connection has ended."""
    nonebot_platform.on("POST", "/ticket").reply(json=TICKET)
    own = settings(nonebot_platform, pigeon_gateway=["42"], pigeon_idle=1)
    nonebot_bot("bot.py", settings=own)
    await (await nonebot_platform.connected()).fail(HalfOpen())
    await nonebot_platform.connected()


@pytest.mark.parametrize("nonebot_driver", ["~none+~httpx+~websockets", "~none+~aiohttp"])
async def test_it_needs_no_server(nonebot_platform: Platform, gateway_bot: BotProcess) -> None:
    nonebot_platform.on("POST", "/ticket").reply(json=TICKET)
    connection = await nonebot_platform.connected()
    await connection.send(said("/echo coo"))
    call = await connection.expect({"api": "send_message"})
    await call.reply({"call": call.json["call"], **OK})
