"""The page on the four ways: its program starts, and the example prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.trying import LISTENING, Reader
from tests.support.documents import DOCS

PAGE = DOCS / "four-ways.md"


async def test_the_program_starts_with_all_four_ways(tmp_path: Path) -> None:
    reader = Reader(PAGE, tmp_path)
    # Names below .example do not exist; no proxy and no resolver is asked about them here.
    for path in tmp_path.glob("bot.py"):
        text = path.read_text("utf-8").replace("https://platform.example", "http://127.0.0.1:9")
        path.write_text(text.replace("wss://platform.example", "ws://127.0.0.1:9"), "utf-8")
    with reader.starts("python bot.py") as bot:
        await bot.shows(LISTENING)
        await bot.shows(r"HTTP polling of bot 12345 \(my\)")
        await bot.shows(r"WebSocket of bot 67890 \(my\)")
        bot.stop()
        assert await bot.ended() == 0


def test_the_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    reader = Reader(PAGE, tmp_path)
    (command,) = re.findall(r"`(python examples/four_ways.py)`", reader.page.prose)
    printed, shown = reader.runs(command), reader.page.code("text")
    assert re.sub(r"\d+\.\d\d", "0", printed) == re.sub(r"\d+\.\d\d", "0", shown) or (
        [line.split()[0] for line in printed.splitlines()]
        == [line.split()[0] for line in shown.splitlines()]
    )
