"""What aiohttp is told of known paths makes it faster, and changes no answer."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from nonebot_aiohttp import Driver
from tests.support.bots import make_driver, new_adapter
from tests.support.hosts import Host, own_process

BOT = {"X-Self-ID": "1"}

NAMES = (
    "plain",
    "plain2",
    "with space",
    "a.b",
    ".",
    "..",
    "早",
    "{open",
    "{target}",
    "{a:.*}",
    "close}",
    "100%",
    "%41",
    "a%2Fb",
    "a/b",
    "a?b",
    "#",
    "http",
    "ws",
    "back\\slash",
)
ENDS = ("", "/", "/http", "/http/", "/ws", "/ws/", "/other", "//", "/../plain", "?query=/ws")
PATHS = ("/", "//", "//plain/", "/unknown/", "/./plain/", "/plain/../plain2/", "/%70lain/", "*")


def targets() -> list[str]:
    """List the paths of all names, as clients would write them and as they must not."""
    names = [spelling for name in NAMES for spelling in (quote(name), quote(name, safe="/%{}\\."))]
    return [*PATHS, *(f"/{name}{end}" for name in dict.fromkeys(names) for end in ENDS)]


def driver_of_all_names() -> Driver:
    driver = make_driver()
    for name in NAMES:
        driver.register_adapter(name, new_adapter())
    return driver


async def answers(host: Host, method: str) -> dict[str, tuple[int, bytes, str | None]]:
    """Ask for everything."""
    found = {}
    for target in targets():
        response = await host.request(method, target, BOT, b"event" if method == "POST" else b"")
        found[target] = response.status, response.body, response.header("allow")
    return found


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_an_indexed_application_answers_as_another(method: str) -> None:
    indexed, plain = driver_of_all_names(), driver_of_all_names()
    # Whoever takes it may add routes of the same beginnings: no index then.
    resources = plain.server_app.router.resources()
    found = []
    for driver in (indexed, plain):
        async with own_process(driver) as host:
            found.append(await answers(host, method))
    assert len(resources) == 1
    assert found[0] == found[1]
    assert {answer[0] for answer in found[0].values()} >= {404, 200 if method == "POST" else 426}
