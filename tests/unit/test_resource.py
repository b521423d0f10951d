"""What aiohttp's router tells of the endpoints in an application, as debugging tools ask it."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from tests.support.bots import make_driver, new_adapter


def test_the_router_of_an_attached_driver_describes_it() -> None:
    site = web.Application()
    make_driver(new_adapter()).attach(site)
    (resource,) = site.router.resources()
    assert resource.canonical == "/{target}"
    assert resource.get_info() == {"formatter": "/{target}"}
    assert resource.url_for(target="recorder/") == URL("/recorder/")
    assert resource.raw_match("/{target}")
    assert not resource.raw_match("/recorder/")
    # Adapters may come later, so it lists no routes.
    assert (len(resource), list(resource), list(site.router.routes())) == (0, [], [])


def test_below_a_prefix_its_urls_have_it() -> None:
    site, driver = web.Application(), make_driver(new_adapter())
    app = driver.server_app
    site.add_subapp("/site/bot", app)
    (resource,) = app.router.resources()
    assert resource.canonical == "/site/bot/{target}"
    assert resource.url_for(target="recorder/") == URL("/site/bot/recorder/")


@pytest.mark.parametrize(
    ("method", "path", "canonical"),
    [
        ("POST", "/recorder", "/site/bot/recorder/"),
        ("POST", "/recorder/http/", "/site/bot/recorder/"),
        ("PUT", "/recorder/http", "/site/bot/recorder/"),
        ("GET", "/recorder/ws", "/site/bot/recorder/ws"),
        # A stranger has made it up.
        ("POST", "/unknown/", "/site/bot/{target}"),
    ],
)
async def test_the_route_of_a_request_has_the_path_that_was_found(
    method: str, path: str, canonical: str
) -> None:
    """Tracing names the span of a request by it."""
    site, driver = web.Application(), make_driver(new_adapter())
    site.add_subapp("/site/bot", app := driver.server_app)
    headers = {"upgrade": "websocket"} if path.endswith("ws") else {}
    match = await app.router.resolve(make_mocked_request(method, "/site/bot" + path, headers))
    resource = match.route.resource
    assert resource is not None
    assert resource.canonical == canonical
    # The next request gets the same one.
    assert match.route is match.route
