"""Webhooks, which Pigeon signs."""

from functools import partial

from nonebot_aiohttp.testing import BotProcess, Platform

from playing import OK, said, sign


async def test_a_message_is_answered(nonebot_platform: Platform, bot: BotProcess) -> None:
    nonebot_platform.on("POST", "/send_message").reply(json=OK)
    await nonebot_platform.post(bot.url("/pigeon/"), json=said("/echo coo"), sign=sign)
    await nonebot_platform.expect("POST", "/send_message", json={"bot": "42", "text": "coo"})


async def test_a_challenge_is_answered_with_its_text(
    nonebot_platform: Platform, bot: BotProcess
) -> None:
    challenge = {"type": "challenge", "challenge": "x7"}
    answer = await nonebot_platform.post(bot.url("/pigeon/"), json=challenge, sign=sign)
    assert (answer.status, answer.text) == (200, "x7")


async def test_what_has_a_wrong_signature_is_not_handled(
    nonebot_platform: Platform, bot: BotProcess
) -> None:
    forge = partial(sign, secret="guessed")
    answer = await nonebot_platform.post(bot.url("/pigeon/"), json=said("/echo coo"), sign=forge)
    assert (answer.status, answer.text) == (403, "wrong signature")
