"""Calls of the API: what they bring, and how they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from nonebot_aiohttp.testing import BotProcess, Hang, Platform, Status

from asking import asking
from playing import REVERSE, said, settings, updates_of

if TYPE_CHECKING:
    from nonebot_aiohttp.testing.plugin import StartBot


@pytest.fixture
def asking_bot(nonebot_bot: StartBot, nonebot_platform: Platform) -> BotProcess:
    """Start a bot that calls the API whose name a message has."""
    own = settings(nonebot_platform, pigeon_polling=["42"])
    return nonebot_bot(asking, settings=own)


async def test_over_a_websocket_answers_come_in_any_order(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    updates_of(nonebot_platform)
    connection = await nonebot_platform.connect(asking_bot.ws_url("/pigeon/ws"), headers=REVERSE)
    for name in "fly", "land":
        await connection.send(said(name))
    calls = {name: await connection.expect({"api": name}) for name in ("fly", "land")}
    for name in "land", "fly":
        call = calls[name]
        await call.reply({"call": call.json["call"], "ok": True, "result": f"can {name}"})
    assert (await asking_bot.told("fly"))["result"] == "can fly"
    assert (await asking_bot.told("land"))["result"] == "can land"


async def test_over_a_websocket_calls_end_with_it(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    updates_of(nonebot_platform)
    connection = await nonebot_platform.connect(asking_bot.ws_url("/pigeon/ws"), headers=REVERSE)
    await connection.send(said("fly"))
    await connection.expect({"api": "fly"})
    await connection.close()
    assert "ended before the answer" in (await asking_bot.told("fly"))["error"]


async def test_over_a_websocket_a_call_has_a_deadline(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    updates_of(nonebot_platform)
    connection = await nonebot_platform.connect(asking_bot.ws_url("/pigeon/ws"), headers=REVERSE)
    await connection.send(said("fly"))
    assert "not answered within 2 s" in (await asking_bot.told("fly"))["error"]


async def test_over_http_a_call_has_a_deadline(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/fly").fail(Hang())
    updates_of(nonebot_platform).put(said("fly"))
    assert "NetworkError" in (await asking_bot.told("fly"))["error"]


async def test_over_http_a_call_is_made_again_when_pigeon_says_so(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    route = nonebot_platform.on("POST", "/fly").fail(Status(429, retry_after=1))
    route.reply(json={"ok": True, "result": 3})
    updates_of(nonebot_platform).put(said("fly"))
    assert (await asking_bot.told("fly"))["result"] == 3
    first, second = route.calls
    assert second.at - first.at > 0.9


async def test_over_http_a_refusal_has_pigeons_words(
    nonebot_platform: Platform, asking_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/fly").reply(json={"ok": False, "error": "no wings"})
    updates_of(nonebot_platform).put(said("fly"))
    assert (await asking_bot.told("fly"))["error"] == "ActionFailed('no wings')"
