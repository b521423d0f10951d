"""One process after the other is restarted under load."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.nginx.load import ACKNOWLEDGED, Load
from tests.nginx.page import process_of
from tests.nginx.site import Site
from tests.support.waiting import eventually, within

BOTS = range(10_001, 10_031)

FEW = 3
"""Webhooks that may fail although systemd holds the sockets, of thousands; usually none does."""


async def restart_under(load: Load, site: Site) -> None:
    """Restart the processes in turn, each under load, and end the load."""
    running = asyncio.ensure_future(load.run())

    def reached(acknowledged: int, connected: int) -> bool:
        assert not running.done(), running.exception()
        return load.answers[ACKNOWLEDGED] >= acknowledged and load.connected >= connected

    for process in site.processes:
        enough = load.answers[ACKNOWLEDGED] + 10 * len(BOTS)
        await eventually(partial(reached, enough, len(BOTS)), what="load")
        await process.stop()
        process.start()
        await process.started()
    # Each bot was in a process that was restarted.
    await eventually(partial(reached, 0, 2 * len(BOTS)), what="WebSockets")
    load.end()
    await within(running, 60.0)
    await site.stop()


@pytest.mark.promise("several processes: a restart of one after the other loses nothing")
@pytest.mark.parametrize("held", [True, False], ids=["socket of systemd", "own socket"])
async def test_restarting_one_at_a_time_loses_nothing(
    make_site: Callable[..., Site], client: aiohttp.ClientSession, held: bool
) -> None:
    site = make_site(held=held)
    await site.start()
    load = Load(site, client, BOTS)
    await restart_under(load, site)
    print(f"{dict(load.answers)}, slowest {load.longest:.1f} s, closed {dict(load.closed)}")
    assert list(load.problems()) == []
    failed = load.answers.total() - load.answers[ACKNOWLEDGED]
    assert failed <= FEW if held else failed > FEW
    assert load.closed == {1001: len(BOTS)}


async def test_after_a_reload_only_a_restart_moves_the_websocket(
    make_site: Callable[..., Site], client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """A bot that a new process takes has its webhooks there at once, and its WebSocket never."""
    site = make_site()
    old, _, new = site.processes
    configuration = tmp_path / "bots.conf"
    three = configuration.read_text("utf-8")
    names = [f"127.0.0.1:{process.port}" for process in site.processes]
    two = three.replace(f"    server {names[2]} max_fails=0;\n", "")
    configuration.write_text(two, "utf-8")
    moving = (
        str(bot)
        for bot in BOTS
        if process_of(str(bot), names[:2]) == names[0] and process_of(str(bot), names) == names[2]
    )
    bot = next(moving)
    await site.start()
    url, headers = site.url("/my/ws", "ws"), {"X-Self-ID": bot}
    async with client.ws_connect(url, headers=headers) as websocket:
        configuration.write_text(three, "utf-8")
        site.nginx.reload()
        for number in itertools.count():
            # An old worker closes idle connections, even if a request is on its way.
            with suppress(aiohttp.ServerDisconnectedError):
                assert await site.post(client, bot, f"webhook/{number}") == 204
                if await site.handled(f"webhook/{number}") == new.port:
                    break
        await websocket.send_json({"text": "message"})
        assert await site.handled("message") == old.port
        goodbye = asyncio.ensure_future(websocket.receive())
        await old.stop()
        assert (await within(goodbye)).data == 1001
    old.start()
    await old.started()
    async with client.ws_connect(url, headers=headers) as websocket:
        await websocket.send_json({"text": "afterwards"})
        assert await site.handled("afterwards") == new.port
    await site.stop()


async def test_what_a_platform_has_given_up_waiting_for_is_handled_all_the_same(
    make_site: Callable[..., Site], client: aiohttp.ClientSession
) -> None:
    site = make_site()
    await site.start()
    process = site.processes[0]
    names = [f"127.0.0.1:{each.port}" for each in site.processes]
    bot = next(str(bot) for bot in BOTS if process_of(str(bot), names) == names[0])
    await process.stop()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(site.post(client, bot, "first"), 0.3)
    second = asyncio.ensure_future(site.post(client, bot, "second"))
    process.start()
    assert await second == 204
    await site.stop()
    assert process.handled() == [(bot, "first"), (bot, "second")]


KEPT = {
    '    "" close;\n': '    "" "";\n',
    "consistent;\n": "consistent;\n    keepalive 4;\n",
    "error_page 503 = @again;": "",
}
"""What would let nginx keep its connections, and not ask again."""


SLOW = """
import asyncio

import bot


class SlowBot(bot.MyBot):
    async def handle_message(self, message: bytes) -> None:
        await super().handle_message(message)
        if b"slow" in message:
            await asyncio.sleep(1)


driver = bot.Driver(*bot.load_config())
driver.register_adapter("my", SlowBot)
driver.run()
"""
"""A bot whose stop takes a second after an event that is called slow."""


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "as on the page"])
async def test_a_connection_that_nginx_keeps_leads_into_the_stop(
    make_site: Callable[..., Site], client: aiohttp.ClientSession, tmp_path: Path, kept: bool
) -> None:
    site = make_site("slow_bot.py")
    (tmp_path / "slow_bot.py").write_text(SLOW, "utf-8")
    configuration = tmp_path / "bots.conf"
    text = configuration.read_text("utf-8")
    for old, new in KEPT.items() if kept else ():
        assert old in text
        text = text.replace(old, new)
    configuration.write_text(text, "utf-8")
    await site.start()
    names = [f"127.0.0.1:{each.port}" for each in site.processes]
    process = site.processes[0]
    bot = next(str(bot) for bot in BOTS if process_of(str(bot), names) == names[0])
    assert await site.post(client, bot, "slow") == 204
    await process.begin_stop()
    posting = asyncio.ensure_future(site.post(client, bot, "meanwhile"))
    if kept:
        assert await within(posting) == 503
    await process.ended()
    assert posting.done() == kept
    process.start()
    assert await within(posting) == (503 if kept else 204)
    await process.started()
    await site.stop()
