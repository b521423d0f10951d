"""Two drivers in one process: neither sees the other's adapters, bots or hooks."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from tests.support.bots import RecordingBot, make_driver, new_adapter
from tests.support.hosts import Host, Serving, own_process, serve_application
from tests.support.waiting import eventually

BOT = {"X-Self-ID": "1"}


@pytest.mark.promise("registry: two drivers live in one process")
async def test_each_has_its_own_adapters_bots_and_hooks(serving: Serving) -> None:
    adapters = [new_adapter(), new_adapter()]
    drivers = [make_driver(adapter) for adapter in adapters]
    seen: list[tuple[int, Any]] = []
    for number, driver in enumerate(drivers):
        driver.on_bot_connect(lambda bot, number=number: seen.append((number, bot)))
        driver.on_bot_disconnect(lambda bot, number=number: seen.append((number, bot)))
    drivers[1].register_adapter("second", adapters[1])
    async with serving(drivers[0]) as one, own_process(drivers[1]) as two:
        async with one.connected():
            await eventually(lambda: drivers[0].bots)
            assert drivers[1].bots == {}
            first = drivers[0].bots["1"]
            async with two.connected():
                await eventually(lambda: drivers[1].bots)
                second = drivers[1].bots["1"]
                assert drivers[0].bots == {"1": first}
        await eventually(lambda: len(seen) == 4)
        assert (await one.request("POST", "/second/", BOT, b"x")).status == 404
        assert (await two.request("POST", "/second/", BOT, b"x")).status == 200
    assert sorted(seen, key=lambda entry: entry[0]) == [
        (0, first),
        (0, first),
        (1, second),
        (1, second),
    ]
    assert (len(adapters[0].requests), len(adapters[1].requests)) == (1, 2)


@pytest.mark.promise("registry: one bot class serves two drivers")
async def test_one_bot_class_serves_both(serving: Serving) -> None:
    """The engine sets `driver` and `config` on each bot, not only on the class."""

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            seen.append((self.driver, self.config))

    seen: list[Any] = []
    drivers = [make_driver(Recorder, name=name) for name in ("one", "two")]
    async with serving(drivers[0]) as one, own_process(drivers[1]) as two:
        assert [(await host.post()).status for host in (one, two, one)] == [200, 200, 200]
        async with one.connected(), two.connected():
            await eventually(lambda: all(driver.bots for driver in drivers))
            assert [driver.bots["1"].driver for driver in drivers] == drivers
    assert seen == [(drivers[i], drivers[i].config) for i in (0, 1, 0)]


async def test_two_live_in_one_application() -> None:
    adapters = [new_adapter(), new_adapter()]
    drivers = [make_driver(adapter) for adapter in adapters]
    app = web.Application()
    app.add_subapp("/one/", drivers[0].server_app)
    app.add_subapp("/two/", drivers[1].server_app)
    async with serve_application(app) as port:
        hosts = [Host("aiohttp", port, "/one"), Host("aiohttp", port, "/two")]
        assert [(await host.post()).status for host in hosts] == [200, 200]
        async with AsyncExitStack() as stack:
            for host in hosts:
                await stack.enter_async_context(host.connected())
            await eventually(lambda: all(driver.bots for driver in drivers))
    assert [adapter.messages for adapter in adapters] == [[b"event"], [b"event"]]
    assert [driver.bots for driver in drivers] == [{}, {}]


@pytest.mark.promise("registry: two drivers live in one process")
@pytest.mark.parametrize("stopped", [0, 1])
async def test_stopping_one_leaves_the_other(stopped: int) -> None:
    drivers = [make_driver(new_adapter()) for _ in range(2)]
    async with AsyncExitStack() as other, AsyncExitStack() as first:
        stacks = [first, other] if stopped == 0 else [other, first]
        hosts = [
            await stack.enter_async_context(own_process(driver))
            for stack, driver in zip(stacks, drivers, strict=True)
        ]
        await first.aclose()
        assert (await hosts[1 - stopped].post()).status == 200


async def test_an_application_lists_the_routes_of_a_driver_below_its_prefix() -> None:
    """As aiohttp's tools and applications do, that go through all that a router has."""
    app, driver = web.Application(), make_driver(new_adapter())
    app.add_subapp("/bot/", driver.server_app)
    (resource,) = driver.server_app.router.resources()
    assert resource.canonical == "/bot/{target}"
    assert str(resource.url_for(target="recorder/ws")) == "/bot/recorder/ws"
    assert dict(resource.get_info()) == {"formatter": "/bot/{target}"}
    assert resource.raw_match("/bot/{target}")
    assert not resource.raw_match("/bot/recorder/")
    # The resource holds no routes.
    assert len(resource) == len(list(resource)) == 0
