"""No browser page may drive a bot, unless its origin is allowed; under every host alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bots import Adapter, make_driver
from tests.support.hosts import Host, Serving
from tests.support.logs import Logs


async def statuses(host: Host, origin: str, **headers: str) -> tuple[int, int]:
    """Return what a page of that origin gets for a POST and for an upgrade."""
    fields = {"X-Self-ID": "1", "Origin": origin, **headers}
    posted = await host.post(b"event", fields)
    async with await host.client() as client:
        upgraded = await host.upgrade(client, fields)
    return posted.status, upgraded.status


@pytest.mark.promise("browsers: a foreign Origin gets 403")
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "garbage"]
)
async def test_a_foreign_origin_gets_403(
    serving: Serving, adapter: Adapter, origin: str, logs: Logs
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host:
        assert await statuses(host, origin) == (403, 403)
        assert driver.bots == {}
    assert adapter.requests == []
    refusals = logs.matching("(aiohttp_allowed_origins): " + origin, "WARNING")
    assert len(refusals) == 2


@pytest.mark.promise("browsers: a page of the bot's own address gets in, a rebound name does not")
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_a_page_of_the_same_address_gets_in(
    serving: Serving, adapter: Adapter, name: str
) -> None:
    async with serving(make_driver(adapter)) as host:
        address = f"{name}:{host.port}"
        assert await statuses(host, f"http://{address}", Host=address) == (200, 101)
        assert await statuses(host, f"https://{address}", Host=address) == (403, 403)


@pytest.mark.promise("browsers: allowed origins get in")
@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        (["https://good.example"], "https://good.example", (200, 101)),
        (["https://good.example"], "https://good.example:8443", (403, 403)),
        (["https://good.example"], "http://good.example", (403, 403)),
        (["https://good.example"], "https://good.example.evil.example", (403, 403)),
        (["*"], "https://any.example", (200, 101)),
        (["*"], "null", (200, 101)),
    ],
)
async def test_allowed_origins_get_in(
    serving: Serving, adapter: Adapter, allowed: list[str], origin: str, expected: Any
) -> None:
    driver = make_driver(adapter, aiohttp_allowed_origins=allowed)
    async with serving(driver) as host:
        assert await statuses(host, origin) == expected
