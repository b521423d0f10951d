"""Several workers of gunicorn, and one process beside them that connects to platforms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import TWO_WORKERS, own_process
from tests.process.observing import polled_platform
from tests.process.simulator import Platform
from tests.support.scripts import send_frames
from tests.support.server import ScriptedServer

EVENT = '{"do": "note", "id": "%s"}'


@pytest.mark.promise("life: constructing a driver opens nothing and needs no event loop")
async def test_one_process_beside_the_workers_connects(launch: Launch) -> None:
    async with (
        polled_platform(EVENT % "polled") as polling_url,
        ScriptedServer(send_frames(EVENT % "framed")) as platform,
    ):
        urls: dict[str, Any] = {"polling_url": polling_url, "forward_url": platform.ws_url}
        workers = launch(TWO_WORKERS, aiohttp_forward=False, **urls)
        beside = launch(own_process(listen=False), **urls)
        async with Platform(workers.port) as sender:
            posts = (sender.post("7", do="note", id=number) for number in range(20))
            assert set(await asyncio.gather(*posts)) == {200}
        await beside.noted("handled polled")
        await beside.noted("handled framed")
        await workers.noted("started", count=2)
        workers.stop()
        beside.stop()
        assert await workers.exit_code() == 0
        assert await beside.exit_code() == 0
    assert workers.handled() == {str(number): 1 for number in range(20)}
    assert workers.journal.count("shutdown of the second") == 2
    assert platform.attempts[0].frames[-1].close_code == 1001
    assert len(platform.attempts) == 1
