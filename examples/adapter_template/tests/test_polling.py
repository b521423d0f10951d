"""Polls: each names the last event, and so confirms it."""

from nonebot_aiohttp.testing import BotProcess, Platform, Updates

from playing import OK, said


async def test_each_poll_asks_for_what_comes_after_the_last_event(
    nonebot_platform: Platform, updates: Updates, polling_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/send_message").reply(json=OK)
    for text in "one", "two":
        event = said(f"/echo {text}")
        updates.put(event)
        await nonebot_platform.expect("GET", "/events", json={"after": str(event["id"])})
        await nonebot_platform.expect("POST", "/send_message", json={"text": text})


async def test_what_is_no_event_is_confirmed_too(
    nonebot_platform: Platform, updates: Updates, polling_bot: BotProcess
) -> None:
    """Otherwise Pigeon would send it again for ever."""
    nonebot_platform.on("POST", "/send_message").reply(json=OK)
    updates.put({**said("/echo broken"), "type": 7}, said("/echo survived"))
    await nonebot_platform.expect("POST", "/send_message", json={"text": "survived"})
    await polling_bot.logged("no event")
