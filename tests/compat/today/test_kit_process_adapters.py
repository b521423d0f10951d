"""Real adapters under real drivers leave nothing that the kit would take for a leak."""

from __future__ import annotations

import importlib
from typing import Any

import nonebot
import pytest
from nonebot.adapters import Bot
from nonebot.drivers import URL

from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.bots.drivers import OURS, STOCK
from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.inside.telling import tell
from nonebot_aiohttp.testing.platforms.platform import Platform
from nonebot_aiohttp.testing.platforms.websockets import Connection

pytestmark = pytest.mark.timeout(150)

ports.claim()

DEADLINE = 60.0

USER = {
    "id": "700000000000000002",
    "username": "friend",
    "discriminator": "0",
    "global_name": None,
    "avatar": None,
}
BOT = {**USER, "id": "700000000000000001", "username": "bot", "bot": True}
CHAT = {"id": 100, "type": "private", "first_name": "friend"}
TOKEN = "12345:secret"


def telegram_message(text: str) -> dict[str, Any]:
    sender = {**CHAT, "is_bot": False}
    return {"message_id": 1, "date": 1_700_000_000, "chat": CHAT, "from": sender, "text": text}


def discord_message(text: str, author: dict[str, Any]) -> dict[str, Any]:
    lists = ("mentions", "mention_roles", "attachments", "embeds")
    return {
        "id": "800000000000000000",
        "channel_id": "700000000000000003",
        "author": author,
        "content": text,
        "timestamp": "2024-01-01T00:00:00+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "pinned": False,
        "type": 0,
        **{name: [] for name in lists},
    }


def discord_ready(gateway: str) -> dict[str, Any]:
    application = {"id": BOT["id"], "flags": 0}
    return {
        "v": 10,
        "user": BOT,
        "guilds": [],
        "session_id": "a session",
        "resume_gateway_url": gateway,
        "application": application,
    }


def onebot_event(text: str) -> dict[str, Any]:
    return {
        "time": 1_700_000_000,
        "self_id": 1,
        "post_type": "message",
        "message_type": "private",
        "sub_type": "friend",
        "message_id": 1,
        "user_id": 20002,
        "message": [{"type": "text", "data": {"text": text}}],
        "raw_message": text,
        "font": 0,
        "sender": {"user_id": 20002, "nickname": "friend"},
    }


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
    await connection.send(onebot_event(f"/echo {text}"))
    call = await connection.expect({"action": "send_msg"}, deadline=DEADLINE)
    await call.reply({"status": "ok", "data": {"message_id": 1}, "echo": call.json["echo"]})


async def test_onebot_both_ways(line: str) -> None:
    async with (
        Platform() as platform,
        BotProcess(onebot, driver=line, settings={"onebot_ws_urls": [platform.ws_url]}) as running,
    ):
        forward = await platform.connected(deadline=DEADLINE)
        began = {"post_type": "meta_event", "meta_event_type": "lifecycle", "sub_type": "connect"}
        await forward.send({"time": 1_700_000_000, "self_id": 2, **began})
        headers = {"X-Self-ID": "1", "X-Client-Role": "Universal"}
        reverse = await platform.connect(running.ws_url("/onebot/v11/"), headers=headers)
        await running.told("connected", 2, deadline=DEADLINE)
        await echo_over(reverse, "a")
        await echo_over(forward, "b")


@pytest.mark.parametrize("hosts", [(), ("api.telegram.org",)], ids=["http", "https"])
async def test_telegram_polling(line: str, hosts: tuple[str, ...]) -> None:
    def wrap(found: list[Any]) -> Any:
        return {"ok": True, "result": found}

    me = {"id": 12345, "is_bot": True, "first_name": "bot", "username": "a_bot"}
    async with Platform(hosts=hosts) as platform:
        platform.on("*", "/bot{token}/getMe").reply(json={"ok": True, "result": me})
        platform.on("*", "/bot{token}/deleteWebhook").reply(json={"ok": True, "result": True})
        sent = platform.on("*", "/bot{token}/sendMessage")
        sent.reply(json={"ok": True, "result": telegram_message("sent")})
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
            updates.put({"update_id": 1, "message": telegram_message("/echo a")})
            await sent.expect(deadline=DEADLINE)


async def test_discord_gateway(line: str) -> None:
    async with Platform() as platform:
        gateway = f"{platform.ws_url}/gateway"
        limit = {"total": 9, "remaining": 9, "reset_after": 0, "max_concurrency": 1}
        info = {"url": gateway, "shards": 1, "session_start_limit": limit}
        platform.on("GET", "/api/gateway/bot").reply(json=info)
        platform.on("GET", "/api/users/@me").reply(json=BOT)
        sent = platform.on("POST", "/api/channels/{channel}/messages")
        sent.reply(json=discord_message("sent", BOT))
        settings = {
            "discord_bots": [{"token": "a.b.c", "intent": {"message_content": True}}],
            "discord_api": f"{platform.url}/api",
        }
        async with BotProcess(discord, driver=line, settings=settings) as running:
            connection = await platform.connected(deadline=DEADLINE)
            connection.on({"op": 1}).reply({"op": 11, "d": None, "s": None, "t": None})
            await connection.send({"op": 10, "d": {"heartbeat_interval": 1000}})
            await connection.expect({"op": 2}, deadline=DEADLINE)
            await connection.send({"op": 0, "d": discord_ready(gateway), "s": 1, "t": "READY"})
            await running.told("connected", deadline=DEADLINE)
            text = discord_message("/echo a", USER)
            await connection.send({"op": 0, "d": text, "s": 2, "t": "MESSAGE_CREATE"})
            await sent.expect(deadline=DEADLINE)
