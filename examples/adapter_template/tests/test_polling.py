"""Polls: each names the last event, and so confirms it."""

from nonebot_aiohttp.testing import BotProcess, Platform

from playing import OK, said, updates_of


async def test_each_poll_asks_for_what_comes_after_the_last_event(
    nonebot_platform: Platform, polling_bot: BotProcess
) -> None:
    nonebot_platform.on("POST", "/send_message").reply(json=OK)
    updates = updates_of(nonebot_platform)
    events = [said("/echo one"), said("/echo two")]
    for event in events:
        updates.put(event)
        await nonebot_platform.expect("GET", "/events", json={"after": str(event["id"])})
    await nonebot_platform.expect("POST", "/send_message", json={"text": "one"})
    await nonebot_platform.expect("POST", "/send_message", json={"text": "two"})


async def test_events_that_are_none_are_confirmed_too(
    nonebot_platform: Platform, polling_bot: BotProcess
) -> None:
    """Otherwise Pigeon would send them again for ever."""
    nonebot_platform.on("POST", "/send_message").reply(json=OK)
    broken = {"id": said("")["id"], "type": 7}
    updates_of(nonebot_platform).put(broken, said("/echo survived"))
    await nonebot_platform.expect("POST", "/send_message", json={"text": "survived"})
    await polling_bot.logged("no event")
