"""Tests that the search of the site finds Chinese words, in a real browser where there is one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.browser import CHROMIUM, rendered, serving
from tests.support.documents import CHINESE

SITE = Path(os.environ["DOCS_SITE"])

QUERIES = {
    "反向": "four-ways",
    "连接池": "nonebot2",
    "多进程部署": "several-processes",
    "nginx": "deploying",
    "部署nginx": "deploying",
    "配置项": "settings",
}
"""What a reader may look for, and a page that must be found."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(SITE) as url:
        yield url


def pages_with(text: str) -> set[str]:
    """Return the Chinese pages that have a text."""
    paths = CHINESE.rglob("*.md")
    found = [path for path in paths if text in path.read_text(encoding="utf-8").lower()]
    return {path.relative_to(CHINESE).with_suffix("").as_posix() for path in found}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: the index alone is tested")
def test_the_search_page_finds_them(query: str, address: str, tmp_path: Path) -> None:
    page = rendered(f"{address}/zh/search.html?q={quote(query)}", tmp_path)
    results = page[page.index('id="search-results"') :]
    found = {link.removesuffix(".html") for link in re.findall(r'<a href="([^"?#]+)', results)}
    assert pages_with(query) | {QUERIES[query]} <= found


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: the index alone is tested")
def test_the_search_page_finds_nothing_that_is_nowhere(address: str, tmp_path: Path) -> None:
    page = rendered(f"{address}/zh/search.html?q={quote('饕餮')}", tmp_path)
    results = page[page.index('id="search-results"') :]
    assert re.findall(r'<li><a href="', results) == []


def test_the_index_has_each_pair_of_characters() -> None:
    text = (SITE / "zh" / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    for query in QUERIES:
        if not re.search(r"[a-z]", query):
            pairs = {a + b for a, b in pairwise(query)}
            assert pairs <= {*index["terms"], *index["titleterms"]}
