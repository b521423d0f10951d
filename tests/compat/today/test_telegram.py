"""The current Telegram adapter, by polling and by webhook, against a small API server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from ..support.choice import Candidate
from ..support.network import within
from ..support.process import Bot, running
from ..support.telegram import BOT_ID, TOKEN, Telegram, push, telegram

PATH = "/telegram"


@pytest.fixture
async def there() -> AsyncIterator[Telegram]:
    """Telegram."""
    async with telegram() as there:
        yield there


def settings(there: Telegram, *, is_webhook: bool) -> dict[str, Any]:
    """Return the bot's configuration."""
    return {
        "adapters": ["telegram"],
        "telegram_bots": [
            {"token": TOKEN, "api_server": there.api_server, "is_webhook": is_webhook}
        ],
        "telegram_webhook_url": "https://bot.example",
    }


@pytest.fixture
async def poller(bot_driver: Candidate, tmp_path: Path, there: Telegram) -> AsyncIterator[Bot]:
    """A bot that polls."""
    options = settings(there, is_webhook=False)
    async with running("adapters_bot", bot_driver, tmp_path, **options) as bot:
        yield bot


async def sent_text(there: Telegram) -> str:
    """Wait for the bot's next message and return its text."""
    sent = await within(there.sent.get())
    assert str(sent["chat_id"]) == "100"
    text: str = sent["text"]
    return text.strip()


async def test_polling(poller: Bot, there: Telegram) -> None:
    for text in ("一", "two"):
        await there.offer(f"/echo {text}")
        assert await sent_text(there) == text
    assert (await poller.note("connected"))["id"] == BOT_ID
    assert there.methods[:2] == ["getMe", "deleteWebhook"]
    assert all(entry["error"] is None for entry in poller.noted("called"))
    await poller.stop()


async def test_photo(poller: Bot, there: Telegram) -> None:
    await there.offer("/photo")
    sent = await within(there.sent.get())
    assert sent["caption"] == "说明"
    assert sent["图.png"] == {"filename": "图.png", "data": b"\x00\xff"}
    assert sent["photo"] == "attach://图.png"


async def test_restart_of_the_server(bot_driver: Candidate, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with telegram() as there:
            port, options = there.port, settings(there, is_webhook=False)
            bot = await stack.enter_async_context(
                running("adapters_bot", bot_driver, tmp_path, **options)
            )
            await there.offer("/echo before")
            assert await sent_text(there) == "before"
        async with telegram(port, numbers=there.numbers) as there:
            await there.offer("/echo after")
            assert await sent_text(there) == "after"
            await bot.stop()


async def test_webhook(bot_driver: Candidate, tmp_path: Path, there: Telegram) -> None:
    options = settings(there, is_webhook=True)
    async with running("adapters_bot", bot_driver, tmp_path, **options) as bot:
        assert there.webhook["url"] == "https://bot.example/telegram"
        for text in ("一", "two"):
            assert await push(there, bot.url(PATH), f"/echo {text}") == 204
            assert await sent_text(there) == text
        assert await push(there, bot.url(PATH), "/echo no", "wrong") == 401
        await bot.stop()
