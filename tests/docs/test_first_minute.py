"""The pictures of the first minute show the lines that come today."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.docs.first_minute import (
    IMAGES,
    Picture,
    draw,
    lines_of,
    nonebot2,
    standalone,
    translate,
)
from tests.docs.trying import needs_curl

TIMES = re.compile(r"^(\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")


@needs_curl
@pytest.mark.parametrize("try_page", [standalone, nonebot2])
async def test_a_picture_shows_what_comes_today(
    try_page: Callable[[Path], Awaitable[Picture]], tmp_path: Path
) -> None:
    picture = await try_page(tmp_path)
    drawn = (IMAGES / picture.file).read_text(encoding="utf-8")
    # The lines of the log have no fixed order: two tasks write them.
    same = sorted(timeless(drawn)) == sorted(timeless(draw(picture)))
    assert same, f"draw it again: python -m tests.docs.first_minute\n{draw(picture)}"


@pytest.mark.parametrize("name", ["standalone", "nonebot2"])
def test_the_chinese_picture_has_other_names_only(name: str) -> None:
    path = IMAGES / f"first-minute-{name}.svg"
    drawn = translate(path.read_text(encoding="utf-8"))
    assert path.with_suffix(".zh.svg").read_text(encoding="utf-8") == drawn
    assert drawn.count("机器人") >= 2


def timeless(drawing: str) -> list[str]:
    """Return the lines of a drawing, each time replaced."""
    return [TIMES.sub("TIME", line) for line in lines_of(drawing)]
