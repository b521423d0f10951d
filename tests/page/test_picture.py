"""The docs' pictures of the page: how they are taken, and that they are modest."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.page.picture import HEIGHT, NAMES, SCALE, WIDTH, take
from tests.support.devtools import Tab
from tests.support.documents import DOCS

LARGEST = 150_000


def size_of(picture: bytes) -> tuple[int, ...]:
    """Return width and height of a PNG (its specification, section 11.2.2)."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", picture[16:24])


@pytest.fixture
def pictures() -> Path:
    """Make the directory in which people find the pictures."""
    directory = Path(os.environ["PAGE_PICTURES"])
    directory.mkdir(parents=True, exist_ok=True)
    return directory


async def test_the_run_shows_what_the_picture_is_about(tab: Tab, pictures: Path) -> None:
    await take(tab, pictures, 4)
    for name in NAMES:
        assert size_of((pictures / name).read_bytes()) == (
            round(WIDTH * SCALE),
            round(HEIGHT * SCALE),
        )
    text = await tab.text()
    for shown in (
        "Running for ",
        "Connections down: 1",
        "Bots gone: 1",
        "The forward WebSocket of bot 20003 of kook",
        "next attempt in",
        "Webhooks",
    ):
        assert shown in text


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_of_the_docs_is_modest(name: str) -> None:
    picture = (DOCS / "images" / name).read_bytes()
    assert size_of(picture) == (round(WIDTH * SCALE), round(HEIGHT * SCALE))
    assert len(picture) < LARGEST
