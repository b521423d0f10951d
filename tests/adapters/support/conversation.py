"""What each adapter has to do with its platform, in each way by which its events come."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.compat.support.choice import Candidate
from tests.compat.support.process import Bot, running
from tests.support.waiting import eventually, within

from .platform import Platform


async def assert_answers(bot: Bot, there: Platform, text: str) -> None:
    """Say something, and assert that the bot answers it over its API."""
    await there.say(bot, f"/say {text}")
    assert await within(there.sent.get(), 30) == text


class Conversation:
    """The test of each way of each adapter; a subclass says on which platform."""

    platform: ClassVar[type[Any]]

    @pytest.fixture
    async def there(self, tmp_path: Path) -> AsyncIterator[Any]:
        there = self.platform(tmp_path)
        await there.start()
        try:
            yield there
        finally:
            await there.close()
        assert there.complaints == []

    @pytest.fixture
    async def bot(
        self, platform_driver: Candidate, tmp_path: Path, there: Platform
    ) -> AsyncIterator[Bot]:
        candidate = dataclasses.replace(platform_driver, env=there.environment)
        settings = {"adapters": [there.adapter], **there.settings()}
        async with running("adapters_bot", candidate, tmp_path, **settings) as bot:
            yield bot

    async def test_answers_also_after_a_restart_and_at_the_stop(
        self, bot: Bot, there: Platform
    ) -> None:
        await assert_answers(bot, there, "一")
        await there.restart()
        await assert_answers(bot, there, "two")
        await bot.note("answered", 2)
        before = bot.log
        if bot.candidate.is_ours:  # NoneBot's own drivers do not wait for matchers.
            await self.answer_at_the_stop(bot, there)
        else:
            bot.send_stop()
        assert await bot.ended() in bot.candidate.exit_codes
        assert "Traceback" not in bot.log.removeprefix(before)
        assert {entry["error"] for entry in bot.noted("called")} == {None}
        assert bot.noted("shutdown")
        self.assert_seen(there)

    async def answer_at_the_stop(self, bot: Bot, there: Platform) -> None:
        """Stop the bot while a matcher waits; its answer still reaches the platform."""
        await there.say(bot, "/wait 三")
        await bot.note("begun")
        bot.send_stop()
        await eventually(lambda: "event(s) in flight" in bot.log, 30, "the drain")
        assert bot.process is not None
        bot.process.send_signal(signal.SIGUSR1)
        assert await within(there.sent.get()) == "三"
        await bot.note("answered", 3)

    def assert_seen(self, there: Any) -> None:
        """Assert what a protocol requires besides, after answers with a restart between them."""
