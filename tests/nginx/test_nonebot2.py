"""The same files with NoneBot2 and its OneBot 11 adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.compat.support.onebot import Platform, echo_over, message_event, said_over
from tests.nginx.page import process_of
from tests.nginx.processes import BotProcess
from tests.nginx.site import Site

BOTS = [str(bot) for bot in range(10_001, 10_010)]
OTHERS = [str(bot) for bot in range(20_001, 20_100)]


async def post(there: Platform, site: Site, bot: str, text: str) -> int:
    event = message_event(text, bot)
    return (await there.post_event(site.url("/onebot/v11/"), event, bot)).status


def process_with(site: Site, bot: str) -> BotProcess:
    names = {f"127.0.0.1:{process.port}": process for process in site.processes}
    return names[process_of(bot, names)]


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    async with Platform() as there:
        yield there


@pytest.mark.promise("several processes: webhooks and reverse WebSocket of a bot meet in one")
async def test_onebot_bots_meet_themselves_and_come_back(
    make_site: Callable[..., Site], there: Platform
) -> None:
    site = make_site("nonebot2_bot.py", DRIVER="nonebot_aiohttp.nonebot2")
    await site.start()
    url = site.url("/onebot/v11/ws", "ws")
    for bot in BOTS:
        async with there.reverse(url, bot) as connection:
            await echo_over(connection, "by WebSocket", bot)
            # The answer to the webhook comes over the WebSocket.
            assert await post(there, site, bot, "/echo by webhook") == 204
            assert await said_over(connection) == "by webhook"
        assert f"OneBot V11 {bot}" in process_with(site, bot).log
    bot = BOTS[0]
    process = process_with(site, bot)
    async with there.reverse(url, bot) as connection:
        await echo_over(connection, "before", bot)
        await process.stop()
        assert (await connection.closed()).code == 1001
    # The WebSocket and a webhook wait until the process is back. They are of two bots, because the
    # adapter refuses the WebSocket of a bot whose webhook has come first.
    other = next(each for each in OTHERS if process_with(site, each) is process)
    late = asyncio.ensure_future(post(there, site, other, "late"))
    process.start()
    async with there.reverse(url, bot) as connection:
        assert await late == 204
        await process.started()
        await echo_over(connection, "after", bot)
    assert process.log.count("'late'") == 1
    await site.stop()
