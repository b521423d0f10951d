"""The page of a bot that runs, in a real browser: what changes while somebody looks at it."""

from __future__ import annotations

import re

import pytest
from yarl import URL

from nonebot_aiohttp.operations.page import response
from nonebot_aiohttp.operations.status import Second
from tests.page.scene import LANGUAGES, TOKEN, Recorder, Scene, operated_driver, scene
from tests.support import scripts
from tests.support.devtools import Tab
from tests.support.forward import websocket
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually


class Other(Recorder):
    """Another adapter."""


async def enter(tab: Tab, shown: Scene, language: str = "en") -> None:
    """Open the page as somebody who knows the token."""
    await tab.send_headers(Authorization=shown.authorization, Accept_Language=LANGUAGES[language])
    await tab.open(shown.page)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the page load itself again each second."""
    monkeypatch.setattr(response, "REFRESH", 1)


async def test_a_browser_asks_for_the_token(tab: Tab) -> None:
    async with scene(operated_driver()) as shown:
        await tab.open(str(URL(shown.page).with_user("anyone").with_password(TOKEN)))
        assert (await tab.text()).startswith("Running for ")


@pytest.mark.promise("operations: the page shows bots that connect, and those that drop")
async def test_a_bot_connects_and_drops(tab: Tab) -> None:
    async with scene(operated_driver()) as shown:
        await enter(tab, shown)
        assert "Nothing is down." not in await tab.text()
        assert "No bot is connected." in await tab.text()
        async with shown.host.bot_connected({"X-Self-ID": "10086"}):
            await tab.open(shown.page)
            assert "Bots connected: 1\n\nNothing is down." in await tab.text()
            row = await tab.evaluate("document.querySelector('tbody').innerText")
            assert re.fullmatch(r"10086\nrecorder · reverse WebSocket\n\t\d s ago\t0", row)
        await eventually(lambda: not shown.driver.bots)
        await tab.open(shown.page)
        text = await tab.text()
    assert "No bot is connected." in text
    assert "Bots gone: 1" in text
    assert re.search(
        r"Bots that have gone\s+10086\s+recorder · reverse WebSocket\s+gone for \d s \(since", text
    )


@pytest.mark.promise("operations: the page shows an outage, and when the next attempt is made")
async def test_an_outage_has_its_next_attempt(tab: Tab) -> None:
    driver = operated_driver()
    async with ScriptedServer(scripts.status(503)) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with scene(driver) as shown:
            await eventually(lambda: driver.status().loops[0].state == "waiting")
            await enter(tab, shown)
            text = await tab.text()
    assert "Connections down: 1" in text
    assert re.search(
        r"The forward WebSocket of bot 1 of recorder\s+"
        r"waiting · down for \d s \(since [\d:]{8}\)\s+"
        r"next attempt in \d+ s \([\d:]{8}\) · attempts: \d\s+.*503",
        text,
    )
    assert re.search(
        r"WARNING · \d s ago · recorder · bot 1\s+The forward WebSocket of bot 1 of .* failed",
        text,
    )


@pytest.mark.promise("operations: the page loads itself again, and its plots move")
async def test_plots_move(tab: Tab, fast: None) -> None:
    line = "document.querySelector('figure:nth-child(1) polyline')?.getAttribute('points')"
    async with scene(operated_driver()) as shown:
        await enter(tab, shown)
        before = await tab.evaluate(line)
        for _ in range(3):
            await shown.host.post()
        await eventually(lambda: any(each.webhooks for each in _history(shown)))
        await tab.loaded(tab.loads + 2)
        first = await tab.evaluate(line)
        await tab.loaded(tab.loads + 2)
        second = await tab.evaluate(line)
        text = await tab.text()
    assert before is None
    assert first
    assert second
    assert first != second
    assert re.search(r"Webhooks\s+now \d+ · highest [123]\s", text)


def _history(shown: Scene) -> list[Second]:
    return list(shown.driver._operations.observer.history())


async def test_the_search_stays_when_the_page_loads_itself(tab: Tab, fast: None) -> None:
    driver = operated_driver(Recorder, Other)
    async with (
        scene(driver) as shown,
        shown.host.bot_connected({"X-Self-ID": "10086"}),
        await shown.host.client() as client,
    ):
        await shown.host.upgrade(client, {"X-Self-ID": "20086"}, "/other/ws")
        await eventually(lambda: len(driver.bots) == 2)
        await enter(tab, shown)
        await tab.open(f"{shown.page}?q=Other")
        await tab.loaded(tab.loads + 2)
        rows = "[...document.querySelectorAll('tbody b')].map(each => each.textContent)"
        assert await tab.evaluate(rows) == ["20086"]
        assert await tab.evaluate("location.search") == "?q=Other"


async def test_an_id_that_is_a_script_does_not_run(tab: Tab) -> None:
    hostile = "<script>document.title='x'</script>"
    async with (
        scene(operated_driver()) as shown,
        shown.host.bot_connected({"X-Self-ID": hostile}),
    ):
        await enter(tab, shown)
        assert hostile in await tab.text()
        await tab.open(str(URL(shown.page).with_query(q=hostile)))
        assert await tab.evaluate("document.scripts.length") == 0
        assert await tab.evaluate("document.title") == "running · nonebot_aiohttp"
        assert f"Found for “{hostile}”: 1" in await tab.text()


async def test_it_speaks_chinese(tab: Tab) -> None:
    async with scene(operated_driver()) as shown:
        await enter(tab, shown, "zh-CN")
        assert await tab.evaluate("document.documentElement.lang") == "zh-CN"
        text = await tab.text()
    assert text.startswith("运行中 已 ")
    assert "没有已连接的机器人。" in text
