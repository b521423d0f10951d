"""Fixtures: a real browser, and a bot that operators look at."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import absent
from tests.support.browser import CHROMIUM
from tests.support.devtools import Tab, browser


def _reason() -> str:
    """Tell why the tests cannot run here; empty if they can."""
    if CHROMIUM is None:
        return "there is no chromium"
    if "PAGE_PICTURES" not in os.environ:
        return "PAGE_PICTURES does not name a directory for pictures: tox -e page"
    return ""


_REASON = _reason()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out everything where something is missing."""
    if not _REASON:
        return None
    return absent.leave_out(config, collection_path, {"tests/page/test_*.py": _REASON})


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    """Give a page of a browser on a phone; fail if the browser has reported a problem."""
    async with browser(tmp_path) as tab:
        await tab.look(390)
        yield tab
        assert tab.problems == []
