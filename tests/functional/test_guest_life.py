"""An ASGI application behind the bot's own paths: its start, its stop, and what it leaves."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from nonebot_aiohttp import StartupError
from tests.support.guests import GuestDriver, everywhere, serving_guest
from tests.support.hosts import HOSTS
from tests.support.logs import Logs
from tests.support.waiting import within

SECRET = "123456789:AAFakeFakeFakeFakeFakeFakeFakeFakeFa"


class Site:
    """A Starlette application that writes down its life.

    Attributes:
        steps: What has happened.
        fails: The step that fails.
    """

    def __init__(self, fails: str = "") -> None:
        self.steps: list[str] = []
        self.fails = fails
        self.app = Starlette(routes=[Route("/", self.answer)], lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[dict[str, Any]]:
        self.happen("startup")
        yield {"greeting": "hello"}
        self.happen("shutdown")

    def happen(self, what: str) -> None:
        self.steps.append(what)
        if what == self.fails:
            raise RuntimeError(f"the {what} always fails")

    async def answer(self, request: Request) -> Response:
        self.steps.append("request")
        return PlainTextResponse(request.state.greeting)


@pytest.mark.both_loops
@pytest.mark.parametrize("name", HOSTS)
async def test_a_guest_lives_within_the_drivers_life(name: str) -> None:
    site = Site()
    async with serving_guest(site.app, name) as (host, driver):
        driver.lifespan.on_shutdown(lambda: site.happen("shutdown hook"))
        assert (await host.request("GET", "/")).text == "hello"
    assert site.steps == ["startup", "request", "shutdown hook", "shutdown"]


async def test_a_guest_that_cannot_start_fails_the_start() -> None:
    site = Site(fails="startup")
    driver = GuestDriver(site.app, everywhere)
    driver.lifespan.on_shutdown(lambda: site.happen("shutdown hook"))
    text = "The guest could not start: RuntimeError: the startup always fails"
    with pytest.raises(StartupError, match=text) as failed:
        await driver.serve("127.0.0.1", 0)
    assert isinstance(failed.value.__cause__, RuntimeError)
    assert site.steps == ["startup", "shutdown hook"]


@pytest.mark.parametrize("says_why", [False, True])
async def test_no_secret_is_in_the_reason_why_it_could_not_start(says_why: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        error = RuntimeError(f"cannot reach https://api.telegram.org/bot{SECRET}/getMe")
        if says_why:
            message = "".join(traceback.format_exception(error))
            await send({"type": "lifespan.startup.failed", "message": message})
        raise error

    driver = GuestDriver(app, everywhere)
    with pytest.raises(StartupError, match="cannot reach") as caught:
        await driver.lifespan.start()
    assert SECRET not in str(caught.value)


async def test_a_guest_that_does_not_say_why_it_cannot_start() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})

    driver = GuestDriver(app, everywhere)
    with pytest.raises(StartupError, match="it does not say why"):
        await driver.lifespan.start()


async def test_a_guest_that_fails_at_the_stop_skips_nothing(logs: Logs) -> None:
    site = Site(fails="shutdown")
    driver = GuestDriver(site.app, everywhere)
    ended: list[str] = []
    driver.lifespan._shutdown.insert(0, lambda: ended.append("the last"))
    await driver.lifespan.start()
    await driver.lifespan.stop()
    assert ended == ["the last"]
    assert logs.matching("Stopping the guest failed", "ERROR")


@pytest.mark.parametrize("at", ["startup", "shutdown"])
async def test_a_guest_that_hangs_is_cut_off(at: str, logs: Logs) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if at == "startup":
            await asyncio.Event().wait()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.Event().wait()

    driver = GuestDriver(app, everywhere, drain_timeout=0.1, close_timeout=0.2)
    if at == "startup":
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(driver.lifespan.start(), 0.1)
    else:
        await driver.lifespan.start()
        await within(driver.lifespan.stop())
        assert logs.matching("Cut off the shutdown hook", "ERROR")


async def test_a_guest_without_a_lifespan_is_served(logs: Logs) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await PlainTextResponse("page")(scope, receive, send)

    async with serving_guest(app) as (host, _):
        assert (await host.request("GET", "/")).text == "page"
    assert not logs.matching("", "ERROR")


async def test_a_guest_that_fails_without_an_answer_fails_the_start() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise TypeError("a middleware always fails")

    driver = GuestDriver(app, everywhere)
    with pytest.raises(
        StartupError, match="could not start: TypeError: a middleware always"
    ) as got:
        await driver.lifespan.start()
    assert isinstance(got.value.__cause__, TypeError)


async def test_a_guest_whose_lifespan_ends_early_is_served(logs: Logs) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
            return
        await PlainTextResponse("page")(scope, receive, send)

    async with serving_guest(app) as (host, _):
        assert (await host.request("GET", "/")).text == "page"
    assert not logs.matching("", "ERROR")


@pytest.mark.parametrize("name", ["own_process", "attached", "asgi"])
async def test_nobody_is_served_while_the_driver_does_not_run(name: str) -> None:
    site = Site()
    async with serving_guest(site.app, name) as (host, driver):
        await driver.lifespan.stop()
        response = await host.request("GET", "/")
        assert (response.status, response.header("retry-after")) == (503, "5")
        async with await host.client() as client:
            assert (await client.upgrade("/ws")).status == 503
    assert site.steps == ["startup", "shutdown"]


async def test_an_application_keeps_what_the_guest_has_no_route_for() -> None:
    site = Site()
    async with serving_guest(site.app, "attached", has_route=lambda _: False) as (host, _):
        response = await host.request("GET", "/")
        assert (response.status, response.text) == (404, "404: Not Found")


async def test_a_driver_lives_twice_with_its_guest() -> None:
    site = Site()
    driver = GuestDriver(site.app, everywhere)
    for _ in range(2):
        await driver.lifespan.start()
        await driver.lifespan.stop()
    assert site.steps == ["startup", "shutdown"] * 2
