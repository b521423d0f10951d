"""Starts that fail or are given up, under every host: what had started is shut down."""

from pathlib import Path
from typing import Any

import pytest

from ..support.choice import Candidate
from ..support.process import Bot
from ..support.recorder import Recorder
from .test_hosts import whats

SHUT_DOWN = ["startup 1", "startup 2", "shutdown 2", "shutdown 1", "background has ended"]
FAREWELLS = ["asked: disconnected-resident", "asked: shutdown"]


def assert_shut_down(bot: Bot) -> None:
    """Assert that the shutdown functions have run, with the bot's session and tasks."""
    noted = whats(bot)
    assert [what for what in noted if what in (*SHUT_DOWN, "ready")] == SHUT_DOWN
    assert sorted(what for what in noted if what in FAREWELLS) == FAREWELLS
    assert len({entry["id"] for entry in bot.all_told("task")}) == 1


@pytest.fixture
def settings(recorder: Recorder) -> dict[str, Any]:
    """The bot's configuration, with the recorder as its platform."""
    return {"platform": recorder.url("")}


@pytest.mark.stock_is_wrong("~fastapi", "it runs no shutdown function then")
@pytest.mark.not_under("gunicorn", "it starts aiohttp's workers again for ever", before="3.14.2")
async def test_failing_startup_function(
    hosted_driver: Candidate, tmp_path: Path, settings: dict[str, Any]
) -> None:
    settings["startup_fails"] = True
    # Servers leave their own sockets open then.
    failing = Bot("hosted_bot", hosted_driver, tmp_path, wait=False, check_leaks=False, **settings)
    with failing as bot:
        code = await bot.ended()
    assert code == 1 if hosted_driver.host == "run" else code > 0
    assert "RuntimeError: this hook always fails" in bot.text
    assert "in failing" in bot.text
    assert_shut_down(bot)


@pytest.mark.stock_is_wrong("~fastapi", "uvicorn heeds no signal before the start has ended")
@pytest.mark.not_under("gunicorn", "its workers heed no signal before the start has ended")
@pytest.mark.not_under("uvicorn", "as gunicorn")
@pytest.mark.not_under("Starlette", "uvicorn runs it")
@pytest.mark.not_under("hypercorn", "as gunicorn")
async def test_signal_during_the_startup(
    hosted_driver: Candidate, tmp_path: Path, settings: dict[str, Any]
) -> None:
    settings["startup_hangs"] = True
    with Bot("hosted_bot", hosted_driver, tmp_path, wait=False, **settings) as bot:
        await bot.told("the startup hangs", deadline=bot.deadline)
        await bot.stop()
    assert_shut_down(bot)
