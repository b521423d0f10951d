"""The page on the four ways: its program starts, and the example prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.trying import LISTENING, Reader
from tests.support.documents import DOCS

PAGE = DOCS / "four-ways.md"


def reader_of(directory: Path) -> Reader:
    """Write the page's program, whose platform is a port on which nobody listens."""
    reader = Reader(PAGE, directory)
    code = reader.page.files["bot.py"].replace("https://platform.example", "http://127.0.0.1:9")
    code = code.replace("wss://platform.example", "ws://127.0.0.1:9")
    (directory / "bot.py").write_text(code, "utf-8")
    return reader


async def test_the_program_starts_with_all_four_ways(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    with reader.starts("python bot.py") as bot:
        await bot.shows(LISTENING)
        await bot.shows("The polling of bot 12345 of my failed")
        await bot.shows("The forward WebSocket of bot 67890 of my failed")
        bot.stop()
        assert await bot.ended() == 0


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ('url="http://127.0.0.1:9/events"', 'url="127.0.0.1:9/events"', 1),
        ("ws://127.0.0.1:9/gateway", "127.0.0.1:9/gateway", 0),
    ],
)
async def test_a_setup_that_can_never_work_fails_the_start_unless_a_function_makes_it(
    right: str, wrong: str, code: int, tmp_path: Path
) -> None:
    reader = reader_of(tmp_path)
    text = (tmp_path / "bot.py").read_text("utf-8")
    assert right in text
    (tmp_path / "bot.py").write_text(text.replace(right, wrong), "utf-8")
    with reader.starts("python bot.py") as bot:
        if code == 0:
            await bot.shows(LISTENING)
            await bot.shows("has ended for good")
            bot.stop()
        assert await bot.ended() == code
        assert "did you mean" in bot.output


def test_the_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    (command,) = re.findall(r"`(python examples/four_ways.py)`", reader.page.prose)
    printed, shown = reader.runs(command), reader.page.code("text")
    assert without_figures(printed) == without_figures(shown)


def without_figures(text: str) -> str:
    return re.sub(r" +\d+\.\d\d", " 0", text)
