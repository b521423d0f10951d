"""Real adapters under real drivers leave nothing that the kit would take for a leak."""

from __future__ import annotations

import importlib
from typing import Any

import nonebot
import pytest
from nonebot.adapters import Bot
from nonebot.drivers import URL

from nonebot_aiohttp.testing import ports
from nonebot_aiohttp.testing.drivers import OURS, STOCK
from nonebot_aiohttp.testing.platform import Platform
from nonebot_aiohttp.testing.process import BotProcess
from nonebot_aiohttp.testing.telling import tell
from nonebot_aiohttp.testing.websockets import Connection

from ..support.discord import BOT, USER, _ready, message
from ..support.onebot import SELF_ID, lifecycle_event, message_event
from ..support.telegram import BOT as TELEGRAM_BOT
from ..support.telegram import TOKEN, Telegram

pytestmark = pytest.mark.timeout(150)

ports.claim()

DEADLINE = 60.0


@pytest.fixture(params=[*STOCK, OURS])
def line(request: pytest.FixtureRequest) -> str:
    """Each driver that an adapter meets most."""
    return str(request.param)


def bot(adapter: str) -> Any:
    """Register an adapter, and echo."""
    driver = nonebot.get_driver()
    driver.register_adapter(importlib.import_module(adapter).Adapter)
    nonebot.load_builtin_plugin("echo")

    @driver.on_bot_connect
    async def connected(bot: Bot) -> None:
        tell("connected", id=bot.self_id)

    return driver


def onebot() -> None:
    bot("nonebot.adapters.onebot.v11")


def telegram() -> None:
    bot("nonebot.adapters.telegram")


def discord() -> None:
    driver = bot("nonebot.adapters.discord")
    adapter: Any = nonebot.get_adapter("Discord")
    adapter.base_url = URL(driver.config.discord_api)


async def echo_over(connection: Connection, text: str) -> None:
    await connection.send(message_event(f"/echo {text}"))
    call = await connection.expect({"action": "send_msg"}, deadline=DEADLINE)
    await call.reply({"status": "ok", "data": {"message_id": 1}, "echo": call.json()["echo"]})


async def test_onebot_both_ways(line: str) -> None:
    async with (
        Platform() as platform,
        BotProcess(onebot, driver=line, settings={"onebot_ws_urls": [platform.ws_url]}) as running,
    ):
        forward = await platform.connected(deadline=DEADLINE)
        await forward.send(lifecycle_event("2"))
        headers = {"X-Self-ID": SELF_ID, "X-Client-Role": "Universal"}
        reverse = await platform.connect(running.ws_url("/onebot/v11/"), headers=headers)
        await running.told("connected", 2, deadline=DEADLINE)
        await echo_over(reverse, "a")
        await echo_over(forward, "b")


@pytest.mark.parametrize("hosts", [(), ("api.telegram.org",)], ids=["http", "https"])
async def test_telegram_polling(line: str, hosts: tuple[str, ...]) -> None:
    def wrap(found: list[Any]) -> Any:
        return {"ok": True, "result": found}

    async with Platform(hosts=hosts) as platform:
        made = Telegram()
        platform.on("*", "/bot{token}/getMe").reply(json={"ok": True, "result": TELEGRAM_BOT})
        platform.on("*", "/bot{token}/deleteWebhook").reply(json={"ok": True, "result": True})
        sent = platform.on("*", "/bot{token}/sendMessage")
        sent.reply(json={"ok": True, "result": made.message("sent")})
        updates = platform.updates(
            "*", "/bot{token}/getUpdates", id="update_id", offset="offset", wrap=wrap
        )
        own = {} if hosts else {"api_server": f"{platform.url}/"}
        async with BotProcess(
            telegram,
            driver=line,
            settings={"telegram_bots": [{"token": TOKEN, **own}]},
            env=platform.environment,
        ):
            updates.put(made.update("/echo a"))
            await sent.expect(deadline=DEADLINE)


async def test_discord_gateway(line: str) -> None:
    async with Platform() as platform:
        gateway = f"{platform.ws_url}/gateway"
        limit = {"total": 9, "remaining": 9, "reset_after": 0, "max_concurrency": 1}
        info = {"url": gateway, "shards": 1, "session_start_limit": limit}
        platform.on("GET", "/api/gateway/bot").reply(json=info)
        platform.on("GET", "/api/users/@me").reply(json=BOT)
        sent = platform.on("POST", "/api/channels/{channel}/messages")
        sent.reply(json=message("sent", BOT, 2))
        settings = {
            "discord_bots": [{"token": "a.b.c", "intent": {"message_content": True}}],
            "discord_api": f"{platform.url}/api",
        }
        async with BotProcess(discord, driver=line, settings=settings) as running:
            connection = await platform.connected(deadline=DEADLINE)
            connection.on({"op": 1}).reply({"op": 11, "d": None, "s": None, "t": None})
            await connection.send({"op": 10, "d": {"heartbeat_interval": 1000}})
            await connection.expect({"op": 2}, deadline=DEADLINE)
            await connection.send({"op": 0, "d": _ready(gateway), "s": 1, "t": "READY"})
            await running.told("connected", deadline=DEADLINE)
            text = message("/echo a", USER, 1)
            await connection.send({"op": 0, "d": text, "s": 2, "t": "MESSAGE_CREATE"})
            await sent.expect(deadline=DEADLINE)
