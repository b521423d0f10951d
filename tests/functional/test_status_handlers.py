"""What `driver.status()` says of webhooks, handlers and hooks, over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import HTTPResponse
from nonebot_aiohttp.operations.status import Status
from tests.support.bots import Adapter, RecordingBot, answering, make_driver, new_adapter, running
from tests.support.hosts import Serving
from tests.support.waiting import eventually, within


def work(status: Status, kind: str) -> tuple[int, int | None, int]:
    """Return how many tasks of a kind are in flight, have failed, and were cut off."""
    (found,) = [each for each in status.work if each.kind == kind]
    return found.in_flight, found.failed, found.cut_off


# Webhooks and handlers


@pytest.mark.promise("operations: webhooks are counted by adapter and class of status")
async def test_webhooks_by_class_of_status(serving: Serving) -> None:
    adapter = new_adapter()
    driver = make_driver(adapter, aiohttp_max_body_size=100)
    for status in (302, 403, 503):
        driver.register_adapter(f"a{status}", answering(None, HTTPResponse(status)))
    driver.register_adapter("odd", answering(None, HTTPResponse(999)))
    async with serving(driver) as host:
        for _ in range(3):
            assert (await host.post()).status == 200
        assert (await host.post(headers={"X": "1"})).status == 401
        assert (await host.post(b"x" * 200)).status == 413
        assert (await host.request("POST", "/odd/")).status == 500
        for status in (302, 403, 503):
            assert (await host.request("POST", f"/a{status}/")).status == status
        found = {each.adapter: each.answered for each in driver.status().webhooks}
        assert found == {
            "recorder": {"2xx": 3, "4xx": 2},
            "a302": {"3xx": 1},
            "a403": {"4xx": 1},
            "a503": {"5xx": 1},
            "odd": {"5xx": 1},
        }
        refused = dict(driver.status().refused)
        assert refused.pop("the adapter refused") == 3
        ((why, number),) = refused.items()
        assert ("larger" in why or "bytes" in why, number) == (True, 1)


async def test_webhooks_in_work_and_handlers(serving: Serving) -> None:
    go, started = asyncio.Event(), asyncio.Event()

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            if message == b"wait":
                started.set()
                await go.wait()
            elif message == b"fail":
                raise RuntimeError("failed")
            elif message == b"cancel":
                await asyncio.sleep(0)
                raise asyncio.CancelledError

    driver = make_driver(Recorder)
    async with serving(driver) as host:
        await host.post(b"wait")
        await within(started.wait())
        assert driver.status().webhooks_in_work == 1
        assert work(driver.status(), "handler") == (1, 0, 0)
        go.set()
        await eventually(lambda: driver.status().webhooks_in_work == 0)
        await host.post(b"fail")
        await eventually(lambda: work(driver.status(), "handler") == (0, 1, 0))
        await host.post(b"cancel")
        await eventually(lambda: work(driver.status(), "handler") == (0, 2, 0))
        assert driver.status().webhooks_in_work == 0


async def test_handlers_that_are_cut_off(serving: Serving) -> None:
    started = asyncio.Event()

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            started.set()
            await asyncio.Event().wait()

    driver = make_driver(Recorder, aiohttp_drain_timeout=0)
    async with serving(driver) as host:
        await host.post(b"wait")
        await within(started.wait())
    assert work(driver.status(), "handler") == (0, 0, 1)


async def test_hooks_that_fail(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)

    @driver.on_bot_connect
    async def fail(bot: Any) -> None:
        raise RuntimeError("no")

    @driver.on_bot_disconnect
    async def fail_later(bot: Any) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("no")

    async with serving(driver) as host:
        async with host.bot_connected():
            await eventually(lambda: work(driver.status(), "hook") == (0, 1, 0))
        await eventually(lambda: work(driver.status(), "hook") == (0, 2, 0))


async def test_descriptors_and_versions(adapter: Adapter) -> None:
    async with running(adapter) as driver:
        await driver._lifespan._watches[1].look()  # type: ignore[attr-defined]
        status = driver.status()
        assert status.descriptors is None or status.descriptors > 0
        assert status.descriptor_limit
        assert all(status.versions.values())
