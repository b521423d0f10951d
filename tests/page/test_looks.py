"""How the page looks in a real browser: narrow, in the dark, in both languages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp.operations.page import page_response
from tests.page.looks import colours, wider
from tests.page.scene import LANGUAGES
from tests.support.devtools import Tab
from tests.support.hosts import serve_application
from tests.support.sources import NOW, TROUBLED, FakeSource, Warned, loop, some_bots, some_seconds

LONG = "x" * 200
WIDE = "一个很长的名字，里面没有空格" * 20


def everything() -> tuple[FakeSource, list[Warned]]:
    """Make a driver to which everything has happened, with texts that have no spaces."""
    bots = some_bots(450)
    bots[0] = replace(bots[0], id=LONG, adapter=LONG)
    bots[1] = replace(bots[1], id=WIDE, messages=987_654_321)
    loops = (*TROUBLED.loops, loop(label=LONG, last_error=WIDE))
    refused = {**TROUBLED.refused, LONG: 3}
    status: Any = replace(TROUBLED, loops=loops, refused=refused, state_since=NOW - 5)
    warnings = [
        Warned(text=LONG, peer="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", bot=LONG),
        Warned(text=WIDE, level="ERROR", adapter="onebot"),
    ]
    return FakeSource(status, bots, some_seconds()), warnings


@pytest.fixture
async def address(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Serve the page of a driver to which everything has happened."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    source, warnings = everything()

    async def page(request: web.Request) -> web.Response:
        return await page_response(source, request, warnings)

    app = web.Application()
    app.router.add_get("/", page)
    async with serve_application(app) as port:
        yield f"http://127.0.0.1:{port}/?page=1&refresh=off"


@pytest.mark.promise("operations: the page fits on a phone")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_is_wider_than_a_phone(tab: Tab, address: str, language: str) -> None:
    await tab.send_headers(Accept_Language=LANGUAGES[language])
    for width in (320, 360, 390, 768):
        await tab.look(width)
        await tab.open(address)
        assert await wider(tab, width) == []
        assert await tab.evaluate("document.documentElement.scrollWidth") == width
    assert await tab.evaluate("document.querySelectorAll('tbody tr').length") == 200


@pytest.mark.promise("operations: the page's contrast passes WCAG AA, in light and dark")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_contrast(tab: Tab, address: str, language: str) -> None:
    await tab.send_headers(Accept_Language=LANGUAGES[language])
    backgrounds = []
    for dark in (False, True):
        await tab.look(390, dark=dark)
        await tab.open(address)
        found = await colours(tab)
        assert len(found["texts"]) > 900
        assert len(found["lines"]) == 10
        for each in found["texts"] + found["lines"]:
            assert each["ratio"] >= each["needed"], each
        backgrounds.append(found["background"])
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(14, 17, 22)"]


async def test_words_say_what_colours_say(tab: Tab, address: str) -> None:
    """Nobody has to tell red from green."""
    await tab.open(address)
    down = "[...document.querySelectorAll('li.down')].map(each => each.innerText)"
    words = ("down for", "gone for", "failed:")
    for text in await tab.evaluate(down):
        assert any(word in text for word in words)
    flagged = await tab.evaluate("[...document.querySelectorAll('dd.bad')].map(e => e.innerText)")
    assert len(flagged) == 3
    assert all(text.startswith("⚠") for text in flagged)


async def test_a_screen_reader_has_names_for_the_plots(tab: Tab, address: str) -> None:
    await tab.open(address)
    nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    images = [each["name"]["value"] for each in nodes if each["role"]["value"] == "image"]
    assert len(images) == 5
    assert images[0] == "Webhooks a second in the last five minutes: now 5, highest 6"
    headers = [each for each in nodes if each["role"]["value"] == "rowheader"]
    assert len(headers) == 200


async def test_a_link_leads_to_the_next_bots(tab: Tab, address: str) -> None:
    await tab.open(address)
    loads = tab.loads
    await tab.evaluate("document.querySelector(\".links a[href*='page=2']\").click()")
    await tab.loaded(loads + 1)
    assert await tab.evaluate("location.search + location.hash") == "?page=2&refresh=off#bots"
    assert await tab.evaluate("document.querySelector('tbody b').textContent") == "20200"


async def test_links_to_other_pages_are_big_enough_for_a_thumb(tab: Tab, address: str) -> None:
    """WCAG 2.2 wants 24 pixels (success criterion 2.5.8)."""
    await tab.open(address)
    heights = await tab.evaluate(
        "[...document.querySelectorAll('nav a, .links a, .problems a')]"
        ".map(each => each.getBoundingClientRect().height)"
    )
    assert len(heights) > 10
    assert min(heights) >= 24
