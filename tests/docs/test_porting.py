"""The page on porting: what it tells to import is there."""

from __future__ import annotations

import importlib
import re

import pytest

from nonebot_aiohttp import Bot, Driver, ReceiveConflict, WebSocketClosed
from tests.support import absent
from tests.support.documents import ROOT, Document

PAGE = Document(ROOT / "docs" / "porting.md")
ROWS = PAGE.table("in the adapter")
IMPORTS = [row[1].strip("`") for row in ROWS if row[1].startswith("`from")]


def test_there_are_imports() -> None:
    assert len(IMPORTS) == 5


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=absent.needs("pydantic-settings") if ".config" in line else [])
        for line in IMPORTS
    ],
)
def test_the_new_import_works(line: str) -> None:
    found = re.fullmatch(r"from (\S+) import (.+)", line)
    assert found
    module = importlib.import_module(found[1])
    for name in found[2].split(", "):
        assert name == "..." or hasattr(module, name)


def test_the_names_in_the_text_are_there() -> None:
    assert hasattr(Bot, "check_permission")
    assert hasattr(Bot, "handle_message")
    assert isinstance(Driver.session, property)
    assert {"WebSocketClosed", "ReceiveConflict"} <= set(re.findall(r"`(\w+)`", PAGE.prose))
    assert WebSocketClosed(1001, "bye").code == 1001
    assert issubclass(ReceiveConflict, RuntimeError)
