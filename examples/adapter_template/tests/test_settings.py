"""Settings that do not fit are refused at the start, and what has no key refuses everybody."""

from typing import Any

import pytest
from nonebot_aiohttp.testing import DidNotStart, Platform, StartBot

from playing import said, settings, sign


def test_polls_need_a_root(nonebot_bot: StartBot) -> None:
    with pytest.raises(DidNotStart, match="need PIGEON_ROOT"):
        nonebot_bot("bot.py", settings={"pigeon_root": "", "pigeon_polling": ["42"]})


@pytest.mark.parametrize("nonebot_driver", ["~fastapi"])
@pytest.mark.parametrize("way", ["pigeon_polling", "pigeon_gateway"])
def test_forward_ways_need_a_client(
    nonebot_bot: StartBot, nonebot_platform: Platform, way: str
) -> None:
    own: dict[str, Any] = settings(nonebot_platform, **{way: ["42"]})
    with pytest.raises(DidNotStart, match=f"{way.upper()} needs .*DRIVER=~fastapi"):
        nonebot_bot("bot.py", settings=own)


async def test_without_a_secret_webhooks_are_refused(
    nonebot_bot: StartBot, nonebot_platform: Platform
) -> None:
    bot = nonebot_bot("bot.py", settings=settings(nonebot_platform, pigeon_secret=""))
    event = said("/echo coo")
    answer = await nonebot_platform.post(
        bot.url("/pigeon/"), json=event, sign=lambda body: sign(body, "")
    )
    assert (answer.status, answer.text) == (403, "PIGEON_SECRET is not set")
