"""Tests of the built site: its links, its languages, and that it loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.documents import CHINESE, DOCS, Document
from tests.support.site import Page, read_site

SITE = Path(os.environ["DOCS_SITE"])
PAGES = read_site(SITE)


@pytest.fixture(params=PAGES.values(), ids=lambda page: str(page.path.relative_to(SITE)))
def page(request: pytest.FixtureRequest) -> Page:
    found = request.param
    assert isinstance(found, Page)
    return found


def is_external(link: str) -> bool:
    return re.match(r"[a-z]+:|//", link) is not None


def test_every_page_is_built() -> None:
    sources = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert sources <= {path.relative_to(SITE) for path in PAGES}


@pytest.mark.parametrize("source", sorted(DOCS.rglob("*.md")), ids=str)
def test_a_block_that_is_a_file_has_its_name_as_caption(source: Path) -> None:
    built = (SITE / source.relative_to(DOCS).with_suffix(".html")).read_text(encoding="utf-8")
    captions = re.findall(r'<span class="caption-text"><code[^>]*><span[^>]*>([^<]*)<', built)
    files = [block.file for block in Document(source).blocks if block.file]
    assert [*map(unescape, captions)] == [re.sub(r"^\w+(?=\.env$)", "", name) for name in files]


def test_every_link_leads_to_what_there_is(page: Page) -> None:
    for link in page.links:
        if is_external(link):
            assert re.match(r"https?://\w|mailto:", link), link
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        if anchor and target.suffix == ".html":
            assert anchor in PAGES[target].ids, link


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    assert [link for link in page.loaded if is_external(link)] == []
    for link in page.loaded:
        path = unquote(link).partition("#")[0].partition("?")[0]
        assert (page.path.parent / path).exists(), link


@pytest.mark.parametrize(
    ("suffix", "pattern"),
    [
        ("css", r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*"),
        ("js", r"(?:src|href)\s*[=:]\s*[\"'`](?:https?:)?//.*"),
        ("js", r"(?:fetch|import)\(\s*[\"'`](?:https?:)?//.*"),
        ("svg", r"(?:href|src)=[\"'](?:https?:)?//.*"),
    ],
)
def test_no_file_loads_anything_from_elsewhere(suffix: str, pattern: str) -> None:
    files = [path for path in SITE.rglob(f"*.{suffix}") if "_downloads" not in path.parts]
    assert files
    found = {path.name: re.findall(pattern, path.read_text(encoding="utf-8")) for path in files}
    assert {name: links for name, links in found.items() if links} == {}


def test_the_theme_speaks_chinese_on_chinese_pages() -> None:
    text = (SITE / "zh" / "four-ways.html").read_text(encoding="utf-8")
    for words in ("Next", "Previous", "Home", "On this page", "Back to top", "Made with"):
        assert not re.search(rf">\s*{words}\b", text), words


def test_every_page_leads_to_the_other_language(page: Page) -> None:
    place = page.path.relative_to(SITE)
    (link,) = page.languages
    target = (page.path.parent / link).resolve().relative_to(SITE)
    chinese = place.parts[0] == "zh"
    same = place.relative_to("zh") if chinese else "zh" / place
    source = (DOCS if chinese else CHINESE) / place.relative_to("zh" if chinese else "")
    if source.with_suffix(".md").exists():
        assert target == same
    else:
        assert target == Path("index.html" if chinese else "zh/index.html")
