"""What an author writes with the kit's fixtures: a webhook in three lines, a reconnect in five."""

from __future__ import annotations

import pytest

from nonebot_aiohttp.testing import Platform, Reset, Serve
from tests.support.echo_driver import HEADERS, echo_driver


async def test_webhook(nonebot_platform: Platform, nonebot_serve: Serve) -> None:
    nonebot_platform.on("POST", "/send", json={"text": "hello"}).reply(json={})
    async with nonebot_serve(echo_driver(nonebot_platform.url)) as bot:
        await nonebot_platform.post(bot.url("/echo/"), json={"text": "hello"}, headers=HEADERS)


async def test_reconnect(nonebot_platform: Platform, nonebot_serve: Serve) -> None:
    url = nonebot_platform.ws_url
    async with nonebot_serve(echo_driver(nonebot_platform.url, forward=url)):
        await (await nonebot_platform.connected()).fail(Reset())
        again = await nonebot_platform.connected()
        await again.send({"text": "hello"})
        assert (await again.expect()).json == {"text": "hello"}


@pytest.mark.nonebot_platform(hosts=["api.example.org"])
async def test_fixed_host(nonebot_platform: Platform, nonebot_serve: Serve) -> None:
    """The adapter names a host of the world, and reaches the platform."""
    nonebot_platform.on("POST", "/send", host="api.example.org").reply(json={})
    async with nonebot_serve(echo_driver("https://api.example.org")) as bot:
        await nonebot_platform.post(bot.url("/echo/"), json={"text": "hello"}, headers=HEADERS)
