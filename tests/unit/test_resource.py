"""What aiohttp's router tells of the endpoints in an application, as debugging tools ask it."""

from __future__ import annotations

from aiohttp import web
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
