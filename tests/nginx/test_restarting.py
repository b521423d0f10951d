"""One process after the other is restarted under load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from tests.nginx.load import ACKNOWLEDGED, Load
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
