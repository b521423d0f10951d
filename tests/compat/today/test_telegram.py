"""The current Telegram adapter, by polling and by webhook, against a small API server."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.process import running
from ..support.telegram import BOT_ID, Telegram, push, settings_for, telegram


async def sent_text(there: Telegram) -> str:
    """Wait for the bot's next message and return its text."""
    sent = await within(there.sent.get(), 30)
    assert str(sent["chat_id"]) == "100"
    text: str = sent["text"]
    return text.strip()


async def test_polling(client_driver: Candidate, tmp_path: Path) -> None:
    """The bot answers with text and with a file, and again after a restart of the server."""
    async with AsyncExitStack() as stack:
        async with telegram() as there:
            options = settings_for(there)
            bot = await stack.enter_async_context(
                running("adapters_bot", client_driver, tmp_path, **options)
            )
            await there.offer("/echo 一")
            assert await sent_text(there) == "一"
            assert (await bot.note("connected"))["id"] == BOT_ID
            assert there.methods[:2] == ["getMe", "deleteWebhook"]
            await there.offer("/photo")
            sent = await within(there.sent.get())
            assert (sent["caption"], sent["photo"]) == ("说明", "attach://图.png")
            assert sent["图.png"] == {"filename": "图.png", "data": b"\x00\xff"}
            assert all(entry["error"] is None for entry in bot.noted("called"))
        async with telegram(there.port, numbers=there.numbers) as there:
            await there.offer("/echo after")
            assert await sent_text(there) == "after"
            await bot.stop()
    assert bot.noted("shutdown")


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_webhook(bot_driver: Candidate, tmp_path: Path) -> None:
    async with (
        telegram() as there,
        running(
            "adapters_bot", bot_driver, tmp_path, **settings_for(there, is_webhook=True)
        ) as bot,
    ):
        assert there.webhook["url"] == "https://bot.example/telegram"
        for text in ("一", "two"):
            assert await push(there, bot.url("/telegram"), f"/echo {text}") == 204
            assert await sent_text(there) == text
        assert await push(there, bot.url("/telegram"), "/echo no", "wrong") == 401
        assert await push(there, bot.url("/telegram"), "/work last") == 204
        await bot.note("begun")
        bot.send_stop()
        await bot.ended()
    # NoneBot's own drivers do not wait for matchers.
    assert bot.noted("handled") or not bot_driver.is_ours
