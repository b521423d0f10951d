"""The paths of operators: when they answer what, on which port, and what is left of them."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp import Driver, StartupError
from tests.support.bots import Adapter, RecordingBot, make_driver, new_adapter
from tests.support.client import RawClient
from tests.support.hosts import own_process, serve_application
from tests.support.logs import Logs
from tests.support.operated import (
    BEARER,
    GUARDED,
    OPEN,
    PLACES,
    TOKEN,
    Looking,
    ask,
    mounted,
    operated,
    port_of,
    read_status,
)
from tests.support.ports import free_port
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest) -> Looking:
    """Give each place where operators find what they see."""
    return PLACES[request.param]


# What the paths answer


@pytest.mark.promise("operations: /livez and /readyz answer probes, without a token and details")
async def test_the_paths_that_need_no_token(place: Looking, adapter: Adapter) -> None:
    driver = operated(adapter)
    async with place(driver) as (port, prefix):
        for path in OPEN:
            response = await ask(port, prefix + path)
            assert (response.status, response.body) == (200, b"ok\n")
            assert response.header("Cache-Control") == "no-store"
            assert response.header("X-Content-Type-Options") == "nosniff"
            assert response.header("Set-Cookie") is None
            assert response.header("X-Site") == ((prefix and "here") or None)


async def test_the_paths_that_need_the_token(place: Looking, adapter: Adapter) -> None:
    kinds = {"/status": "application/json", "/metrics": "text/plain", "/": "text/html"}
    async with place(operated(adapter)) as (port, prefix):
        for path, kind in kinds.items():
            response = await ask(port, prefix + path, BEARER)
            assert response.status == 200, (path, response)
            assert (response.header("Content-Type") or "").startswith(kind)
            assert response.header("Cache-Control") == "no-store"
            assert response.header("X-Content-Type-Options") == "nosniff"
            assert response.header("Set-Cookie") is None
            assert response.header("Access-Control-Allow-Origin") is None


@pytest.mark.promise("operations: without a token only the two health paths exist")
async def test_without_a_token_only_the_health_paths_exist(
    place: Looking, adapter: Adapter
) -> None:
    async with place(operated(adapter, token=None)) as (port, prefix):
        for path in (*GUARDED, "/readyz?bots=", "/nothing", "/page", "/favicon.ico"):
            for headers in ({}, BEARER):
                response = await ask(port, prefix + path, headers)
                assert response.status == 404, (path, response)
        for path in OPEN:
            assert (await ask(port, prefix + path)).status == 200


@pytest.mark.promise("operations: /readyz?bots= demands that bots are connected")
async def test_readyz_demands_bots(adapter: Adapter) -> None:
    driver = operated(adapter)

    async def ready(query: str) -> tuple[int, str]:
        response = await ask(port_of(driver), f"/readyz?{query}", BEARER)
        return response.status, response.text

    async with own_process(driver) as host, host.bot_connected():
        assert await ready("bots=1") == (200, "ok\n")
        assert await ready("bots=") == (200, "ok\n")
        assert await ready("bots=1,2,%203%20") == (503, "not connected: 2, 3\n")
        assert await ready("bots=1&bots=2") == (503, "not connected: 2\n")
        assert await ready("bots=%3Cscript%3E") == (503, "not connected: <script>\n")
        many = ",".join(["1"] * 1000)
        assert await ready(f"bots={many}") == (200, "ok\n")
        assert await ready(f"bots={many},1") == (400, "ask for 1000 bots at most, not 1001")
        async with host.connected({"X-Self-ID": "2"}):
            await eventually(lambda: len(driver.bots) == 2)
            assert await ready("bots=1,2") == (200, "ok\n")
        await eventually(lambda: len(driver.bots) == 1)
        assert await ready("bots=2") == (503, "not connected: 2\n")


async def test_status_is_what_the_driver_says(place: Looking, adapter: Adapter) -> None:
    driver = operated(adapter)
    async with place(driver) as (port, prefix):
        found = await read_status(port, prefix)
        expected = json.loads(json.dumps(driver.status().asdict()))
        for moving in ("uptime", "loop_lag", "descriptors"):
            del found[moving], expected[moving]
        assert found == expected
        assert TOKEN not in json.dumps(found)


async def test_status_shows_a_bot_with_any_name(adapter: Adapter) -> None:
    driver, name = operated(adapter), "<script>\"机器人'&amp;"
    sent = {"X-Self-ID": name.encode().decode("latin-1")}
    async with own_process(driver) as host, host.bot_connected(sent):
        (bot,) = (await read_status(port_of(driver)))["bots"]
        assert bot["id"] == driver.status().bots[0].id == name
        for path in ("/", "/?q=%3Cscript%3E", "/metrics?bots=1"):
            response = await ask(port_of(driver), path, BEARER)
            assert response.status == 200
            assert "机器人" in response.text
        page = await ask(port_of(driver), "/?q=%3Cscript%3E", BEARER)
        assert "<script" not in page.text


async def test_the_page_of_a_site_needs_no_slash(adapter: Adapter) -> None:
    async with mounted(operated(adapter)) as (port, prefix):
        assert (await ask(port, prefix)).status == 401
        response = await ask(port, prefix, BEARER)
        assert response.status == 200
        assert "<html" in response.text
    async with mounted(operated(adapter, token=None)) as (port, prefix):
        assert (await ask(port, prefix, BEARER)).status == 404


# When they answer


@pytest.mark.promise("operations: the port answers during the startup and the shutdown, too")
async def test_it_tells_of_the_start_and_of_the_stop(adapter: Adapter) -> None:
    started, begun = asyncio.Event(), asyncio.Event()
    seen: list[tuple[str, int, str, str]] = []
    driver = operated(adapter)

    async def look(when: str) -> None:
        port = port_of(driver)
        live, ready = await ask(port, "/livez"), await ask(port, "/readyz")
        assert (live.status, live.text) == (200, "ok\n")
        state = (await read_status(port))["state"]
        seen.append((when, ready.status, ready.text, state))

    class Waiting(RecordingBot):
        async def react(self, message: bytes) -> None:
            begun.set()
            await stopping.wait()
            await look("drain")

    stopping = asyncio.Event()
    driver.register_adapter("waiting", Waiting)

    @driver.on_startup
    async def start() -> None:
        await look("startup hook")

    @driver.on_shutdown
    async def stop() -> None:
        await look("shutdown hook")

    async def stop_soon() -> None:
        await eventually(lambda: driver.status().state == "stopping")
        stopping.set()

    async with own_process(driver) as host:
        await look("running")
        await host.request("POST", "/waiting/", {"X-Self-ID": "1"}, b"x")
        await within(begun.wait())
        soon = asyncio.ensure_future(stop_soon())
        started.set()
    await within(soon)
    assert seen == [
        ("startup hook", 503, "starting\n", "starting"),
        ("running", 200, "ok\n", "running"),
        ("drain", 503, "stopping\n", "stopping"),
        ("shutdown hook", 503, "stopping\n", "stopping"),
    ]
    assert driver._operations.listener.addresses == []


async def test_it_is_closed_last(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session, in which shutdown hooks may still call APIs, is closed before."""
    driver = operated(adapter)
    seen: list[tuple[bool, int]] = []
    close = driver._pool.close

    async def close_and_look() -> None:
        await close()
        response = await ask(port_of(driver), "/readyz")
        seen.append((driver._pool._connector is None, response.status))

    monkeypatch.setattr(driver._pool, "close", close_and_look)
    async with own_process(driver):
        port = port_of(driver)
    assert seen == [(True, 503)]
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(port)


async def test_a_start_that_fails_closes_it(adapter: Adapter) -> None:
    driver, ports = operated(adapter), list[int]()

    @driver.on_startup
    def fail() -> None:
        ports.append(port_of(driver))
        raise OSError("the database is away")

    for serve in (lambda: driver.serve("127.0.0.1", 0), lambda: driver.lifespan().__aenter__()):
        with pytest.raises(StartupError):
            await within(serve())
        with pytest.raises(ConnectionRefusedError):
            await RawClient.connect(ports[-1])
        assert driver._operations.listener._users == 0


async def test_a_driver_that_runs_twice_has_it_twice(place: Looking, adapter: Adapter) -> None:
    driver = operated(adapter)
    for _ in range(2):
        async with place(driver) as (port, prefix):
            assert (await ask(port, f"{prefix}/status", BEARER)).status == 200


async def test_the_application_to_mount_is_the_same_until_it_is_served(adapter: Adapter) -> None:
    driver = operated(adapter)
    first = driver.operations
    assert driver.operations is first
    async with serve_application(first) as port:
        # Served by itself it tells of a driver that does not run.
        response = await ask(port, "/readyz")
        assert (response.status, response.text) == (503, "not started\n")
        assert (await read_status(port))["state"] == "not started"
        assert driver.operations is not first


async def test_it_may_be_mounted_and_have_a_port(adapter: Adapter) -> None:
    driver = operated(adapter)
    async with mounted(driver) as (port, prefix):
        first, second = await read_status(port, prefix), await read_status(port_of(driver))
        assert first["state_since"] == second["state_since"]


# Its port


async def test_it_has_no_port_unless_a_setting_says_so(adapter: Adapter, logs: Logs) -> None:
    driver = make_driver(adapter, aiohttp_ops_token=TOKEN)
    async with own_process(driver) as host:
        assert driver._operations.listener.addresses == []
        # Never on the public port.
        for path in (*OPEN, *GUARDED):
            assert (await host.request("GET", path, BEARER)).status in (404, 405)
    assert not logs.matching("Listening for operators on")


async def test_it_listens_on_loopback_and_says_where(adapter: Adapter, logs: Logs) -> None:
    driver = operated(adapter)
    async with own_process(driver):
        address = driver._operations.listener.addresses[0]
        assert address[0] == "127.0.0.1"
        assert logs.matching(f"Listening for operators on http://127.0.0.1:{address[1]}")
    assert TOKEN not in logs.output
    assert not logs.matching("without aiohttp_ops_token")


async def test_it_says_that_there_is_no_token(adapter: Adapter, logs: Logs) -> None:
    async with own_process(make_driver(adapter, aiohttp_ops_port=0)):
        (line,) = logs.messages("INFO")[:1]
    assert line.endswith("; without aiohttp_ops_token only /livez and /readyz exist")


@pytest.mark.promise("operations: of a range of ports the first free one is taken")
async def test_two_drivers_share_a_range(logs: Logs) -> None:
    first = free_port()
    drivers = [operated(new_adapter(), ops_port=f"{first}-{first + 1}") for _ in range(3)]
    async with own_process(drivers[0]), own_process(drivers[1]):
        assert [port_of(each) for each in drivers[:2]] == [first, first + 1]
        for each in drivers[:2]:
            assert (await ask(port_of(each), "/readyz")).status == 200
        with pytest.raises(StartupError) as raised:
            await within(drivers[2].serve("127.0.0.1", 0))
        assert str(raised.value) == (
            f"Cannot listen on 127.0.0.1 port {first + 1}: Address already in use; nor on any"
            f" other of the ports {first}-{first + 1} (aiohttp_ops_port)"
        )
        assert drivers[2].status().state == "not started"


@pytest.mark.promise("operations: where a server runs the bots, a port in use stops none of them")
@pytest.mark.parametrize("name", ["lifespan()", "asgi", "add_subapp"])
async def test_a_port_in_use_is_one_warning_where_another_server_hosts(
    name: str, logs: Logs
) -> None:
    port = free_port()
    first = operated(new_adapter(), ops_port=port)
    second = operated(new_adapter(), ops_port=port)
    async with own_process(first):
        if name == "add_subapp":
            async with mounted(second) as (site, prefix):
                assert (await ask(site, f"{prefix}/readyz")).status == 200
        elif name == "asgi":
            from tests.support.asgi import Call

            async with Call(second.asgi, {"type": "lifespan"}) as call:
                await call.give("lifespan.startup")
                assert (await call.next())["type"] == "lifespan.startup.complete"
                assert second.status().state == "running"
                await call.give("lifespan.shutdown")
        else:
            async with second.lifespan():
                assert second.status().state == "running"
        # It did not take the port of the first.
        assert (await ask(port, "/readyz")).status == 200
    (warning,) = logs.matching("Operators cannot look at this process", "WARNING")
    assert warning.message == (
        "Operators cannot look at this process, and its bots go on: Cannot listen on 127.0.0.1"
        f" port {port}: Address already in use (aiohttp_ops_port)"
    )


async def test_it_listens_on_each_address_of_a_name(adapter: Adapter) -> None:
    driver = operated(adapter, ops_host="localhost")
    async with own_process(driver):
        addresses = driver._operations.listener.addresses
        assert addresses
        for address in addresses:
            async with await RawClient.connect(address[1], address[0]) as client:
                sent = {"Host": f"localhost:{address[1]}"}
                assert (await client.request("GET", "/livez", sent)).status == 200


@pytest.mark.parametrize("name", ["name.invalid", "a..b", "127.0.0.1:9100", "x" * 70])
async def test_a_name_that_is_nobodys(name: str, adapter: Adapter, logs: Logs) -> None:
    driver = operated(adapter, ops_host=name)
    text = f"^Cannot listen on {name}: .*; aiohttp_ops_host must be an address .*aiohttp_ops_port"
    with pytest.raises(StartupError, match=text):
        await within(driver.serve("127.0.0.1", 0))
    async with driver.lifespan():
        assert logs.matching("Operators cannot look at this process", "WARNING")


# What does not go wrong


async def test_what_fails_is_logged_and_answered(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    driver = operated(adapter)

    def fail(**_: Any) -> None:
        raise RuntimeError(f"no token={TOKEN}")

    monkeypatch.setattr(driver._operations.observer, "current", fail)
    async with own_process(driver):
        with caplog.at_level(logging.CRITICAL, "aiohttp.server"):
            response = await ask(port_of(driver), "/status", BEARER)
        assert response.status == 500
        assert TOKEN not in response.text
        assert (await ask(port_of(driver), "/livez")).status == 200


def test_the_application_needs_no_event_loop(driver: Driver) -> None:
    app = driver.operations
    assert isinstance(app, web.Application)
    assert not app.frozen
