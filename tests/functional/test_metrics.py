"""What `/metrics` says of real events, wherever operators find it."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from itertools import count
from weakref import WeakValueDictionary

import pytest

from nonebot_aiohttp.operations import metrics
from tests.support.bots import new_adapter
from tests.support.client import RawClient
from tests.support.hosts import Host, own_process
from tests.support.operated import BEARER, PLACES, Looking, ask, operated, port_of
from tests.support.waiting import eventually
from tests.support.wire import Response

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
LINE = re.compile(r"nonebot_aiohttp_(\w+\{.*\}) (\S+)")


@pytest.fixture(autouse=True)
def no_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a process does that has made no driver yet."""
    monkeypatch.setattr(metrics, "_drivers", WeakValueDictionary())
    monkeypatch.setattr(metrics, "_numbers", count(1))


@pytest.fixture(params=PLACES.values(), ids=list(PLACES))
def look(request: pytest.FixtureRequest) -> Looking:
    """Give a place where operators find what they see."""
    found: Looking = request.param
    return found


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """Run a driver with an adapter "my"."""
    driver = operated()
    driver.register_adapter("my", new_adapter())
    async with own_process(driver) as host:
        yield host


def figures(response: Response) -> dict[str, float]:
    """Read the samples of a scrape, by their names with the labels."""
    assert response.status == 200, response
    found = map(LINE.fullmatch, response.body.decode("utf-8").splitlines())
    return {each[1]: float(each[2]) for each in found if each}


async def test_metrics_are_found_where_the_status_is(look: Looking) -> None:
    async with look(operated(new_adapter())) as (port, prefix):
        plain = await ask(port, f"{prefix}/metrics", BEARER)
        newer = await ask(port, f"{prefix}/metrics", {**BEARER, **OPENMETRICS})
    (kind,) = plain.header_values("Content-Type")
    assert kind.startswith("text/plain; version=0.0.4")
    (kind,) = newer.header_values("Content-Type")
    assert kind.startswith("application/openmetrics-text")
    assert newer.body.endswith(b"\n# EOF\n")
    assert figures(plain)['state{driver="1",state="running"}'] == 1
    assert figures(plain)['state{driver="1",state="stopping"}'] == 0


async def test_events_are_counted(host: Host) -> None:
    async with await RawClient.connect(host.port) as client:
        for path in ("/my/", "/my/", "/nobody/"):
            await client.request("POST", path, {"X-Self-ID": "1"}, b"{}")
    shown = figures(await ask(port_of(host.driver), "/metrics?bots=1", BEARER))
    assert shown['webhooks_total{adapter="my",driver="1",status="2xx"}'] == 2
    refused = [number for name, number in shown.items() if name.startswith("refused_total")]
    assert sum(refused) == 1
    assert shown['tasks_failed_total{driver="1",kind="handler"}'] == 0


async def test_bots_are_shown_while_they_are_connected(host: Host) -> None:
    operators = port_of(host.driver)
    connected = 'bots_connected{adapter="my",driver="1"}'
    async with await RawClient.connect(host.port) as client:
        await client.upgrade("/my/ws", {"X-Self-ID": '"\\'})
        shown = figures(await ask(operators, "/metrics?bots=1", BEARER))
        assert shown[connected] == 1
        (bot,) = (name for name in shown if name.startswith("bot_messages"))
        assert bot == (r'bot_messages{adapter="my",bot="\"\\",driver="1",way="reverse WebSocket"}')
        assert not any("bot=" in name for name in figures(await ask(operators, "/metrics", BEARER)))
    await eventually(lambda: not host.driver.bots, what="the end of the connection")
    assert figures(await ask(operators, "/metrics", BEARER))[connected] == 0


async def test_one_scrape_shows_all_drivers_of_the_process() -> None:
    first, second = operated(new_adapter()), operated(new_adapter())
    async with own_process(first), own_process(second):
        scrapes = [
            figures(await ask(port_of(driver), "/metrics", BEARER)) for driver in (first, second)
        ]
    for shown in scrapes:
        for driver in "12":
            assert shown[f'state{{driver="{driver}",state="running"}}'] == 1


async def test_without_the_extra_the_answer_names_it(
    look: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with look(operated(new_adapter())) as (port, prefix):
        response = await ask(port, f"{prefix}/metrics", BEARER)
        assert (await ask(port, f"{prefix}/status", BEARER)).status == 200
    assert response.status == 501
    assert b'pip install "nonebot-aiohttp[metrics]"' in response.body
