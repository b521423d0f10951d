"""Calls of the API: what they bring, and how they fail."""

import pytest
from nonebot_aiohttp.testing import BotProcess, Hang, Platform, StartBot, Status

from asking import asking
from playing import REVERSE, answer, said, settings, sign


@pytest.fixture
def asking_bot(nonebot_bot: StartBot, nonebot_platform: Platform) -> BotProcess:
    """Start a bot that calls the API whose name a message has."""
    return nonebot_bot(asking, settings=settings(nonebot_platform))


async def test_over_a_websocket_answers_come_in_any_order(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    connection = await nonebot_platform.connect(asking_bot.ws_url("/pigeon/ws"), headers=REVERSE)
    for name in "fly", "land":
        await connection.send(said(name))
    fly, land = [await connection.expect({"api": name}) for name in ("fly", "land")]
    await answer(land, "on the roof")
    await answer(fly, "to the loft")
    assert (await asking_bot.told("fly"))["result"] == "to the loft"
    assert (await asking_bot.told("land"))["result"] == "on the roof"


async def test_over_a_websocket_calls_end_with_it(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    connection = await nonebot_platform.connect(asking_bot.ws_url("/pigeon/ws"), headers=REVERSE)
    await connection.send(said("fly"))
    await connection.expect({"api": "fly"})
    await connection.close()
    assert "ended before the answer" in (await asking_bot.told("fly"))["error"]


async def test_over_a_websocket_a_call_has_a_deadline(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    connection = await nonebot_platform.connect(asking_bot.ws_url("/pigeon/ws"), headers=REVERSE)
    await connection.send(said("fly"))
    assert "not answered within 3 s" in (await asking_bot.told("fly"))["error"]


async def test_over_http_a_call_has_a_deadline(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/fly").fail(Hang())
    await nonebot_platform.post(asking_bot.url("/pigeon/"), json=said("fly"), sign=sign)
    assert "NetworkError" in (await asking_bot.told("fly"))["error"]


async def test_over_http_a_call_is_made_again_when_pigeon_says_so(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    fly = nonebot_platform.on("POST", "/fly").fail(Status(429, retry_after=1))
    fly.reply(json={"ok": True, "result": "to the loft"})
    await nonebot_platform.post(asking_bot.url("/pigeon/"), json=said("fly"), sign=sign)
    assert (await asking_bot.told("fly"))["result"] == "to the loft"
    first, second = fly.calls
    assert second.at - first.at > 0.9


async def test_over_http_a_refusal_has_pigeons_words(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/fly").reply(json={"ok": False, "error": "no wings"})
    await nonebot_platform.post(asking_bot.url("/pigeon/"), json=said("fly"), sign=sign)
    assert (await asking_bot.told("fly"))["error"] == "ActionFailed('no wings')"
