"""The page of errors and that of the log have each text that the package raises, logs or sends."""

from __future__ import annotations

import inspect
import re

import pytest

from nonebot_aiohttp import exceptions
from tests.docs.messages import spans, templates
from tests.support.documents import ROOT, Document

PAGE = Document(ROOT / "docs" / "errors.md")
WATCHING = Document(ROOT / "docs" / "watching.md")
TEMPLATES = templates()
SPANS = [span for page in (PAGE, WATCHING) for span in spans(page)]

FOREIGN = {
    # NoneBot's and Python's own; tests/compat/today/test_page.py raises them.
    "ModuleNotFoundError: No module named 'nonebot.drivers.nonebot_aiohttp'",
    "ModuleNotFoundError: No module named 'nonebot_aiohttp'",
}

INTERNAL: dict[str, set[str]] = {}


@pytest.mark.parametrize("span", [each for each in SPANS if len(each.split()) > 2])
def test_the_package_has_each_text_of_the_pages(span: str) -> None:
    assert span in TEMPLATES or span in FOREIGN


def test_the_pages_have_each_text_of_the_package() -> None:
    known = {text for texts in INTERNAL.values() for text in texts}
    missing = {text: place for text, place in TEMPLATES.items() if text not in {*SPANS, *known}}
    assert not missing
    assert not known - set(TEMPLATES), "gone from the package"


def test_each_text_stands_once() -> None:
    assert sorted(SPANS) == sorted(set(SPANS))


def test_every_class_of_errors_is_explained() -> None:
    classes = {
        name: each
        for name, each in vars(exceptions).items()
        if inspect.isclass(each) and each.__module__ == exceptions.__name__
    }
    rows = {row[0].strip("`"): row[1].strip("`") for row in PAGE.table("class")}
    assert set(rows) == set(classes)
    for name, also in rows.items():
        assert not also or also in {base.__name__ for base in classes[name].__mro__[1:]}


def test_every_close_code_of_the_package_is_explained() -> None:
    from nonebot_aiohttp.connections import closing

    source = inspect.getsource(closing)
    codes = set(re.findall(r"^[A-Z_]+ = (1\d{3})$", source, re.MULTILINE))
    assert codes
    assert codes <= {row[0] for row in PAGE.table("code")}
