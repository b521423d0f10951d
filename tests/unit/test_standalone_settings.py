"""The pages of settings have the fields of `DriverOptions` and `Config`, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.promises import CHINESE
from tests.support.settings import (
    CHINESE_WORDS,
    DRIVER,
    ENGLISH_WORDS,
    NONEBOT,
    PAGES,
    default_of,
    type_of,
    written,
)


@pytest.mark.promise("data: every limit is a setting with a default for bots")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_page_has_all_settings_with_their_defaults(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == written(text, *PAGES[page])
    for name in (*DRIVER, *NONEBOT):
        assert f"| `{name}` |" in text


def test_every_setting_has_a_chinese_text_and_no_text_is_left_over() -> None:
    assert list(CHINESE["settings"]) == [*DRIVER, *NONEBOT]
    assert all(CHINESE["settings"].values())


def test_types_and_defaults_are_words() -> None:
    heartbeat = DRIVER["aiohttp_heartbeat"]
    assert type_of("aiohttp_heartbeat", heartbeat.annotation, ENGLISH_WORDS) == "seconds or `none`"
    assert type_of("aiohttp_heartbeat", heartbeat.annotation, CHINESE_WORDS) == "秒数或 `none`"
    assert default_of("aiohttp_heartbeat", 30.0, ENGLISH_WORDS) == "30 s"
    assert default_of("aiohttp_max_body_size", 32 * 1024**2, ENGLISH_WORDS) == "32 MiB"
    assert default_of("aiohttp_max_header_size", 16 * 1024, ENGLISH_WORDS) == "16 KiB"
    assert default_of("command_start", {"/"}, ENGLISH_WORDS) == '`["/"]`'
