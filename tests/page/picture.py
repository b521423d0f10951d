"""Takes the docs' pictures of the page: ``python -m tests.page.picture``, which takes five minutes.

That long, because the page shows the last five minutes. The pictures are of a real run in a real
browser: ``docs/images/operations.png``, and the same in the dark.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.page.play import playing
from tests.page.scene import LANGUAGES
from tests.support.devtools import Tab, browser
from tests.support.documents import DOCS

SECONDS = 300
"""How long the run goes on before the pictures are taken."""

WIDTH, HEIGHT, SCALE = 390, 900, 1.5
"""The screen, in pixels of CSS, and how many dots of the picture one of them is."""

NAMES = {"operations.png": False, "operations-dark.png": True}
"""The files, and which of them is dark."""


async def take(tab: Tab, directory: Path, seconds: float) -> None:
    """Play for some seconds, and take the pictures."""
    async with playing() as play:
        await play.go_on(seconds)
        await tab.send_headers(
            Authorization=play.shown.authorization, Accept_Language=LANGUAGES["en"]
        )
        for name, dark in NAMES.items():
            await tab.look(WIDTH, HEIGHT, dark=dark, scale=SCALE)
            await tab.open(play.shown.page)
            (directory / name).write_bytes(await tab.picture())


async def main() -> None:
    """Take them for the docs."""
    with tempfile.TemporaryDirectory() as profile:
        async with browser(Path(profile)) as tab:
            await take(tab, DOCS / "images", SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
