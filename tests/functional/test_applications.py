"""`server_app` stays an application of aiohttp: routes, middleware and signals are its user's."""

from __future__ import annotations

from typing import Any

import aiohttp_cors
import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Route

from nonebot_aiohttp import ValidationError
from nonebot_aiohttp.hosts import fast_path
from tests.support.bots import Adapter, make_driver
from tests.support.hosts import Host, attached, own_process, serve_application, serve_asgi, subapp

BOT = {"X-Self-ID": "1"}


async def healthy(_: web.Request) -> web.Response:
    return web.Response(text="healthy")


@pytest.fixture
def taken_directly(monkeypatch: pytest.MonkeyPatch) -> list[web.BaseRequest]:
    """Give the list of requests that did not go through the application."""
    taken: list[web.BaseRequest] = []

    class Noted(fast_path.WebhookRequest):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            taken.append(self)

    monkeypatch.setattr(fast_path, "WebhookRequest", Noted)
    return taken


async def test_a_webhook_that_is_known_goes_past_the_application(
    adapter: Adapter, taken_directly: list[web.BaseRequest]
) -> None:
    async with own_process(make_driver(adapter)) as host:
        for _ in range(3):
            assert (await host.post()).status == 200
        assert len(taken_directly) == 2
        expecting = {**BOT, "Expect": "100-continue"}
        async with await host.client() as client:
            await client.send_request("POST", "/recorder/", {**expecting, "Content-Length": "1"})
            assert (await client.read_response()).status == 100
            await client.send(b"x")
            assert (await client.read_response()).status == 200
        assert (await host.request("POST", "/%72ecorder/", BOT, b"event")).status == 200
        assert (await host.request("PUT", "/recorder/", BOT)).status == 405
        assert len(taken_directly) == 2
    assert adapter.messages == [b"event"] * 3 + [b"x", b"event"]


@pytest.mark.parametrize("what", ["middleware", "signal"])
async def test_what_is_for_all_requests_sees_webhooks_as_well(
    adapter: Adapter, taken_directly: list[web.BaseRequest], what: str
) -> None:
    seen: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append(request.path)
        response: web.StreamResponse = await handler(request)
        return response

    async def prepare(request: web.Request, _: web.StreamResponse) -> None:
        seen.append(request.path)

    driver = make_driver(adapter)
    if what == "middleware":
        driver.server_app.middlewares.append(note)
    else:
        driver.server_app.on_response_prepare.append(prepare)
    async with own_process(driver) as host:
        assert [(await host.post()).status for _ in range(2)] == [200, 200]
    assert seen == ["/recorder/"] * 2
    assert not taken_directly


async def test_an_applications_own_route_comes_before_a_webhook(adapter: Adapter) -> None:
    driver = make_driver(adapter)
    driver.server_app.router.add_post("/recorder/", healthy)
    async with own_process(driver) as host:
        for _ in range(2):
            assert (await host.post()).text == "healthy"
        assert (await host.request("POST", "/recorder", BOT, b"event")).status == 200
    assert adapter.messages == [b"event"]


async def test_a_route_that_a_startup_hook_adds_is_served_and_later_ones_are_an_error(
    adapter: Adapter,
) -> None:
    driver = make_driver(adapter)

    @driver.on_startup
    def add() -> None:
        driver.server_app.router.add_get("/health", healthy)

    async with own_process(driver) as host:
        assert (await host.request("GET", "/health")).text == "healthy"
        with pytest.raises(RuntimeError, match="frozen"):
            driver.server_app.router.add_get("/late", healthy)


async def test_a_route_that_nobody_would_serve_is_an_error(adapter: Adapter) -> None:
    for serving in (attached, lambda driver: serve_asgi(driver.asgi)):
        driver = make_driver(adapter)
        async with serving(driver):
            with pytest.raises(RuntimeError, match="frozen"):
                driver.server_app.router.add_get("/late", healthy)


async def test_a_driver_can_be_put_into_a_new_application_after_a_stop(adapter: Adapter) -> None:
    """As in the second test of a site whose module makes the driver."""
    driver = make_driver(adapter)
    for _ in range(3):
        async with subapp(driver) as host:
            assert (await host.post()).status == 200
    for _ in range(2):
        async with attached(driver) as host:
            assert (await host.post()).status == 200
    async with own_process(driver) as host:
        assert (await host.post()).status == 200
    async with subapp(driver) as host:
        assert (await host.post()).status == 200


async def test_the_application_stays_the_same_until_it_has_had_its_life(adapter: Adapter) -> None:
    driver = make_driver(adapter)
    app, site = driver.server_app, web.Application()
    site.add_subapp("/bot/", driver.server_app)
    assert driver.server_app is app
    async with serve_application(site):
        assert driver.server_app is app
    assert driver.server_app is not app


async def test_a_site_that_could_not_start_can_be_made_again(adapter: Adapter) -> None:
    driver = make_driver(adapter)

    async def fail(_: web.Application) -> None:
        raise RuntimeError("no database")

    site = web.Application()
    driver.attach(site)
    site.on_startup.append(fail)
    runner = web.AppRunner(site)
    with pytest.raises(RuntimeError, match="no database"):
        await runner.setup()
    await runner.cleanup()
    await driver.serve(port=0, listen=False, started=lambda _: driver.exit())
    async with driver.lifespan():
        assert driver.server_app.frozen
    async with subapp(driver) as host:
        assert (await host.post()).status == 200


async def test_a_start_that_fails_before_it_began_keeps_the_applications_routes(
    adapter: Adapter,
) -> None:
    driver = make_driver(adapter)
    app = driver.server_app
    app.router.add_get("/health", healthy)
    with pytest.raises(ValidationError):
        await driver.serve(port=70_000)
    assert driver.server_app is app
    async with own_process(driver) as host:
        assert (await host.request("GET", "/health")).text == "healthy"


async def test_a_route_that_is_there_after_another_host_comes_before_a_webhook(
    adapter: Adapter,
) -> None:
    driver = make_driver(adapter)
    async with serve_asgi(driver.asgi) as port:
        assert (await Host("asgi", port).post()).status == 200
    driver.server_app.router.add_post("/recorder/", healthy)
    async with own_process(driver) as host:
        assert (await host.post()).text == "healthy"


async def test_all_routes_of_a_site_can_be_given_to_aiohttp_cors(adapter: Adapter) -> None:
    """The loop that its documentation advises."""
    app, driver = web.Application(), make_driver(adapter)
    app.router.add_get("/health", healthy)
    driver.attach(app)
    cors = aiohttp_cors.setup(app, defaults={"*": aiohttp_cors.ResourceOptions()})
    for route in list(app.router.routes()):
        cors.add(route)
    async with serve_application(app) as port:
        origin = {"Origin": "https://a.example"}
        response = await Host("aiohttp", port).request("GET", "/health", origin)
        assert response.header("Access-Control-Allow-Origin") == "https://a.example"


async def test_starlette_routes_to_the_asgi_application(adapter: Adapter) -> None:
    """It takes a function for a view, and an object for an application."""
    driver = make_driver(adapter)
    app = Starlette(routes=[Route("/recorder/", driver.asgi, methods=["POST"])])
    async with driver.lifespan(), serve_asgi(app) as port:
        assert (await Host("aiohttp", port).post()).status == 200
