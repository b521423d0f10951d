"""What the log says of a refusal: why, and whom; under every host alike."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from nonebot_aiohttp import HTTPConnection, HTTPResponse
from nonebot_aiohttp.log import MAX_OF_A_KIND
from tests.support.bots import Adapter, Decision, answering, deciding, make_driver
from tests.support.client import RawClient
from tests.support.hosts import Host, Serving, attached, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually

BOT = {"X-Self-ID": "1"}
PEER = "from 127.0.0.1 with"


def lines(logs: Logs) -> list[tuple[str, str]]:
    """Return the levels and the texts of the refusals."""
    return [(each.level, each.message) for each in logs if each.message.startswith("Refused")]


@pytest.mark.promise("data: the log says why a request was refused, and whom")
@pytest.mark.parametrize(
    ("response", "status", "why"),
    [
        (HTTPResponse(403, b"wrong token"), 403, "wrong token"),
        (HTTPResponse(403, b"\r\n  wrong\ttoken \nand more"), 403, "wrong token"),
        (HTTPResponse(401, b'{"why": "old"}', {"Content-Type": "application/json"}), 401, "old"),
        (HTTPResponse(403, b"<html>", {"content-type": "text/html"}), 403, "the adapter refused"),
        (HTTPResponse(403, b"expected sha1=" + b"0123abcd" * 5), 403, "expected ***"),
        (HTTPResponse(403, None), 403, "the adapter refused"),
        (None, 401, "the adapter refused"),
    ],
)
async def test_an_adapters_refusal_names_the_peer_and_the_reason(
    serving: Serving, logs: Logs, response: HTTPResponse | None, status: int, why: str
) -> None:
    async with serving(make_driver(answering(None, response))) as host:
        assert (await host.post()).status == status
        async with await host.client() as client:
            await host.upgrade(client)
    found = lines(logs)
    assert [level for level, _ in found] == ["WARNING", "WARNING"]
    for (_, text), kind in zip(found, ("webhook", "WebSocket"), strict=True):
        assert text.startswith(f"Refused a {kind} of recorder {PEER} {status}: ")
        assert why in text
        assert "more" not in text


async def ask(method: str, target: str, host: Host, body: bytes = b"", **headers: str) -> None:
    await host.request(method, target, {**BOT, **headers}, body)


async def upgrade(target: str, host: Host) -> None:
    async with await host.client() as client:
        await host.upgrade(client, target=target)


REFUSALS: dict[str, tuple[Callable[[Host], object], str, str]] = {
    "an unknown adapter": (
        partial(ask, "POST", "/recoder/"),
        "WARNING",
        f"a webhook of an unknown adapter {PEER} 404: no such adapter: recoder",
    ),
    "an unknown adapter that may be a secret": (
        partial(upgrade, "/bot123:ABC/ws"),
        "WARNING",
        f"a WebSocket of an unknown adapter {PEER} 404: no such adapter: ***",
    ),
    "a scanner": (
        partial(ask, "GET", "/wp-login.php"),
        "INFO",
        f"a webhook of an unknown adapter {PEER} 404: not found: /***",
    ),
    "a scanner at the root": (
        partial(ask, "POST", "/"),
        "INFO",
        f"a request {PEER} 404: not found: /",
    ),
    "a WebSocket at the root": (
        partial(upgrade, "/"),
        "INFO",
        f"a WebSocket {PEER} 404: not found: /",
    ),
    "a path that is like none": (
        partial(ask, "GET", "/no/such/path/0123456789abcdef0123456789abcdef"),
        "INFO",
        f"a request {PEER} 404: not found: /no/such/path/***",
    ),
    "a path that is like an adapter's": (
        partial(ask, "POST", "/v1/recorder/events"),
        "WARNING",
        f"a request of recorder {PEER} 404: not found: /v1/recorder/events; the platform has to"
        " use /recorder/, /recorder/http or /recorder/ws",
    ),
    "a WebSocket behind an adapter's": (
        partial(upgrade, "/recorder/ws/1"),
        "WARNING",
        f"a WebSocket of recorder {PEER} 404: not found: /recorder/ws/***; the platform has to"
        " use /recorder/ws",
    ),
    "a webhook for a WebSocket": (
        partial(ask, "POST", "/recorder/ws"),
        "WARNING",
        f"a WebSocket of recorder {PEER} 405: method not allowed: a webhook came to the path of"
        " WebSockets; the platform has to use /recorder/ or /recorder/http",
    ),
    "a method": (
        partial(ask, "GET", "/recorder/"),
        "INFO",
        f"a webhook of recorder {PEER} 405: method not allowed",
    ),
    "a WebSocket for a webhook": (
        partial(upgrade, "/recorder/"),
        "WARNING",
        f"a webhook of recorder {PEER} 405: method not allowed: a WebSocket came to the path of"
        " webhooks; the platform has to use /recorder/ws",
    ),
    "no upgrade": (
        partial(ask, "GET", "/recorder/ws"),
        "WARNING",
        f"a WebSocket of recorder {PEER} 426: this is a WebSocket endpoint: send an upgrade"
        " request",
    ),
    "a browser": (
        partial(ask, "POST", "/recorder/", Origin="https://page.example"),
        "WARNING",
        f"a webhook of recorder {PEER} 403: requests of browsers are not allowed"
        " (aiohttp_allowed_origins): https://page.example/",
    ),
    "a body": (
        partial(ask, "POST", "/recorder/", body=b"x" * 100),
        "WARNING",
        f"a webhook of recorder {PEER} 413: the body is larger than 99 bytes"
        " (aiohttp_max_body_size)",
    ),
}


@pytest.mark.promise("data: the log says why a request was refused, and whom")
@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_refusal_of_the_driver_names_the_peer_and_the_reason(
    serving: Serving, adapter: Adapter, logs: Logs, kind: str
) -> None:
    send, level, text = REFUSALS[kind]
    async with serving(make_driver(adapter, aiohttp_max_body_size=99)) as host:
        sent = send(host)
        await sent  # type: ignore[misc]
    if serving is attached and (" 404: " in text or " 405: " in text):
        # The application's own routes may have the path.
        assert lines(logs) == []
    else:
        assert lines(logs) == [(level, f"Refused {text}")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_monitor_that_asks_for_the_root_has_no_line(
    serving: Serving, adapter: Adapter, logs: Logs, method: str
) -> None:
    """``docs/watching.md`` tells monitors to ask so."""
    async with serving(make_driver(adapter)) as host:
        assert (await host.request(method, "/")).status == 404
    assert lines(logs) == []


async def test_a_path_of_the_users_own_routes_is_no_refusal(logs: Logs, adapter: Adapter) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="page")

    driver = make_driver(adapter)
    driver.server_app.router.add_get("/page", page)
    driver.server_app.router.add_get("/{name}/some/page", page)
    driver.server_app.router.add_get("/", page)
    async with own_process(driver) as host:
        for method, path, status in (
            ("GET", "/page", 200),
            ("GET", "/recorder/some/page", 200),
            ("GET", "/", 200),
            ("POST", "/recorder/some/page", 405),
            ("GET", "/recorder/page", 404),
        ):
            assert (await host.request(method, path, BOT)).status == status
    ((level, text),) = lines(logs)
    assert level == "WARNING"
    assert "not found: /recorder/page;" in text


async def test_a_second_connection_of_a_bot_names_the_bot(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    driver = make_driver(adapter, aiohttp_duplicate_bot="reject")
    async with serving(driver) as host, host.bot_connected(), await host.client() as client:
        await host.upgrade(client)
    text = f"Refused a WebSocket of recorder {PEER} 409: bot 1 is already connected"
    assert lines(logs) == [("WARNING", text)]


async def test_a_body_that_is_too_slow_names_the_setting(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    driver = make_driver(adapter, aiohttp_body_timeout=0.01)
    async with serving(driver) as host, await host.client() as client:
        head = {**BOT, "Content-Length": "9"}
        await client.send_request("POST", f"{host.prefix}/recorder/", head)
        await client.read_response()
        await client.send(b"x" * 9)
    text = "408: the body took longer than 0.01 s (aiohttp_body_timeout)"
    assert lines(logs) == [("WARNING", f"Refused a webhook of recorder {PEER} {text}")]


async def test_a_client_that_leaves_is_no_warning(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host:
        async with await host.client() as client:
            head = {**BOT, "Content-Length": "9"}
            await client.send_request("POST", f"{host.prefix}/recorder/", head, b"half")
        await eventually(lambda: lines(logs))
    assert [level for level, _ in lines(logs)] == ["INFO"]


async def test_strangers_of_many_addresses_hide_no_other_line(serving: Serving, logs: Logs) -> None:
    """A reason that a peer makes up would else take all lines of the next seconds."""

    async def decide(request: HTTPConnection) -> Decision:
        return None, HTTPResponse(403, request.headers["x-self-id"].encode())

    async with serving(make_driver(deciding(decide))) as host, await host.client() as client:
        for number in range(200):
            path = f"{host.prefix}/recorder/"
            await client.request("POST", path, {"X-Self-ID": f"made up {number}"}, b"x")
        assert len(lines(logs)) == MAX_OF_A_KIND
        await host.request("GET", "/recorder/ws")
    assert "426" in lines(logs)[-1][1]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no Unix sockets")
async def test_a_peer_on_a_unix_socket_has_no_address(logs: Logs) -> None:
    driver = make_driver(answering(None, HTTPResponse(403, b"no")))
    app = web.Application()
    driver.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "bot.sock")
        await web.UnixSite(runner, path).start()
        async with await RawClient.connect_unix(path) as client:
            assert (await client.request("POST", "/recorder/", BOT, b"x")).status == 403
        await runner.cleanup()
    text = "Refused a webhook of recorder from a Unix socket with 403: no"
    assert lines(logs) == [("WARNING", text)]


async def test_a_refusal_below_400_is_a_challenge(logs: Logs) -> None:
    async with own_process(make_driver(answering(None, HTTPResponse(200, b"challenge")))) as host:
        assert (await host.post()).status == 200
    assert lines(logs) == []
