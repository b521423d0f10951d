"""Whole bots with our client half beside NoneBot's own servers: ``~none`` and ``~fastapi``."""

import asyncio
from pathlib import Path

import aiohttp

from tests.support.ports import free_port

from ..support.choice import Candidate
from ..support.network import eventually, within
from ..support.onebot import echo_over, platform
from ..support.process import running
from ..support.telegram import BOT_ID, TOKEN, telegram
from .test_hosts import STEPS

LEFT = ("Unclosed", "never retrieved", "was destroyed")
"""What is in the log of a bot that leaves something behind."""


async def test_lifespan(mixed_driver: Candidate, tmp_path: Path) -> None:
    async with running("lifespan_bot", mixed_driver, tmp_path) as bot:
        await eventually(lambda: {"what": "step", "name": "ready"} in bot.journal, "the start")
        await bot.note("background has started")
        await bot.stop()
    assert [entry["name"] for entry in bot.noted("step")] == STEPS
    assert len({entry["id"] for entry in bot.noted("task")}) == 1
    assert bot.journal[-1]["what"] == "background has ended"


async def test_onebot_over_a_forward_websocket(mixed_driver: Candidate, tmp_path: Path) -> None:
    """The platform comes up after the bot, and is restarted; then the bot is stopped."""
    port = free_port()
    settings = {"adapters": ["onebot"], "onebot_ws_urls": [f"ws://127.0.0.1:{port}/ws"]}
    async with running("adapters_bot", mixed_driver, tmp_path, **settings) as bot:
        async with platform(port) as there:
            await echo_over(await there.arrival(), "一")
            await bot.note("called")
        await bot.note("disconnected")
        async with platform(port) as there:
            ws = await there.arrival()
            await echo_over(ws, "two")
            assert (await bot.note("called", 2))["error"] is None
            last_word = asyncio.create_task(ws.receive())
            await bot.stop()
            assert (await within(last_word)).type is aiohttp.WSMsgType.CLOSE
    assert bot.noted("shutdown")
    assert len(bot.noted("disconnected")) == 2
    assert not any(left in bot.log for left in LEFT), bot.log


async def test_telegram_by_polling(mixed_driver: Candidate, tmp_path: Path) -> None:
    async with telegram() as there:
        settings = {
            "adapters": ["telegram"],
            "telegram_bots": [{"token": TOKEN, "api_server": there.api_server}],
        }
        async with running("adapters_bot", mixed_driver, tmp_path, **settings) as bot:
            for text in ("一", "two"):
                await there.offer(f"/echo {text}")
                assert (await within(there.sent.get()))["text"].strip() == text
            assert (await bot.note("connected"))["id"] == BOT_ID
            await bot.stop()
    assert bot.noted("shutdown")
    assert not any(left in bot.log for left in LEFT), bot.log
