"""Reverse WebSockets, which Pigeon opens."""

import pytest
from nonebot_aiohttp.testing import BotProcess, Platform, Refused

from playing import REVERSE, answer, said


async def test_a_message_is_answered_over_the_same_websocket(
    nonebot_platform: Platform, bot: BotProcess
) -> None:
    connection = await nonebot_platform.connect(bot.ws_url("/pigeon/ws"), headers=REVERSE)
    await connection.send(said("/echo coo"))
    await answer(await connection.expect({"api": "send_message", "data": {"text": "coo"}}))
    await bot.logged("running complete")


async def test_without_the_token_it_is_refused(nonebot_platform: Platform, bot: BotProcess) -> None:
    with pytest.raises(Refused) as refused:
        await nonebot_platform.connect(bot.ws_url("/pigeon/ws"), headers={"X-Pigeon-Bot": "42"})
    assert refused.value.status == 403
