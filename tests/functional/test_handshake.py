"""The handshake of a reverse WebSocket, under every host alike: accepted or refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import HTTPConnection, HTTPResponse, WebSocket
from tests.support import frames
from tests.support.bots import Adapter, Decision, RecordingBot, answering, deciding, make_driver
from tests.support.hosts import Serving, attached, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

BOT = {"X-Self-ID": "1"}


@pytest.mark.promise("reverse: the check comes before the upgrade, and a refusal is a response")
async def test_the_adapter_sees_the_handshake_before_the_upgrade(serving: Serving) -> None:
    seen: list[Any] = []

    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        seen.append((request.type, request.scheme, request.http_version, request.closed))
        seen.append((request.path, request.query_string, request.headers["x-self-id"]))
        return "1", None

    recorder = deciding(decide)
    driver = make_driver(recorder)
    async with serving(driver) as host, await host.client() as client:
        assert (await host.upgrade(client, target="/recorder/ws?t=%2F")).status == 101
        await eventually(lambda: driver.bots)
        assert driver.bots["1"].request is recorder.requests[0]
        path = f"{host.prefix}/recorder/ws"
    assert seen == [("websocket", "ws", "1.1", False), (path, b"t=%2F", "1")]


async def test_the_adapter_is_asked_with_its_driver(serving: Serving) -> None:
    asked: list[Any] = []

    class Recorder(RecordingBot):
        @classmethod
        async def check_permission(cls, driver: Any, request: HTTPConnection) -> Decision:
            asked.append((driver, request.type))
            return "1", None

    driver = make_driver(Recorder)
    async with serving(driver) as host, host.bot_connected():
        bot = driver.bots["1"]
        assert (bot.driver, bot.config) == (driver, driver.config)
        await host.post()
    assert asked == [(driver, "websocket"), (driver, "http")]


@pytest.mark.promise("reverse: the check comes before the upgrade, and a refusal is a response")
@pytest.mark.parametrize("status", [200, 403, 404])
async def test_a_refusal_is_a_response_with_the_adapters_status(
    serving: Serving, status: int
) -> None:

    driver = make_driver(answering(None, HTTPResponse(status, b"no", {"x-why": "because"})))
    async with serving(driver) as host, await host.client() as client:
        response = await host.upgrade(client)
        assert (response.status, response.body) == (status, b"no")
        assert response.header("X-Why") == "because"
        assert driver.bots == {}


async def test_refused_without_a_response_is_401(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        assert (await host.upgrade(client, {"X-Other": "1"})).status == 401


async def test_an_adapter_that_raises_gets_500(serving: Serving, logs: Logs) -> None:
    async def decide(request: HTTPConnection) -> Decision:
        raise ValueError("oops")

    async with serving(make_driver(deciding(decide))) as host, await host.client() as client:
        assert (await host.upgrade(client)).status == 500
    assert logs.matching("The adapter recorder failed", "ERROR")


async def test_an_unknown_adapter_gets_404(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host:
        for path in ("/stranger/ws", "/recorder/wss"):
            async with await host.client() as client:
                assert (await host.upgrade(client, target=path)).status == 404


async def test_an_upgrade_on_a_webhooks_path_is_refused(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        response = await host.upgrade(client, target="/recorder/")
        assert response.status in (404, 405)


async def test_a_plain_get_is_told_to_upgrade(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host:
        response = await host.request("GET", "/recorder/ws", BOT)
    assert (response.status, response.header("Upgrade")) == (426, "websocket")
    assert adapter.requests == []
    assert logs.matching("Refused a WebSocket of recorder from 127.0.0.1 with 426", "WARNING")


@pytest.mark.parametrize(
    ("name", "value"), [("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Key", "short")]
)
async def test_a_malformed_handshake_gets_400(
    serving: Serving, adapter: Adapter, name: str, value: str
) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **BOT,
        name: value,
    }
    driver = make_driver(adapter)
    async with serving(driver) as host:
        response = await host.request("GET", "/recorder/ws", headers)
        assert response.status in (400, 426)
    assert adapter.requests == []


async def test_an_adapter_may_talk_before_the_reader_takes_over(serving: Serving) -> None:
    """Some platforms tell the bot's id in their first message."""

    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        await request.accept()
        await request.send("who are you?")
        return await request.receive(), None

    recorder = deciding(decide)
    driver = make_driver(recorder)
    async with serving(driver) as host, host.connected() as client:
        assert (await client.read_frame()).text == "who are you?"
        await client.send_frame(frames.text("42"), frames.text("event"))
        await eventually(lambda: recorder.messages == [b"event"])
        assert list(driver.bots) == ["42"]


@pytest.mark.parametrize(("raises", "code", "status"), [(False, 1008, 401), (True, 1011, 500)])
async def test_a_refusal_after_the_adapter_has_accepted_closes(
    serving: Serving, raises: bool, code: int, status: int
) -> None:
    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        await request.accept()
        if raises:
            raise ValueError("oops")
        return None, None

    driver = make_driver(deciding(decide))
    async with serving(driver) as host, host.connected() as client:
        close = await client.read_close()
        assert (close.close_code, close.close_reason) == (code, f"refused with {status}")
        assert await client.read_to_end() == b""
        assert driver.bots == {}


@pytest.mark.parametrize("raises", [False, True])
async def test_an_adapter_that_closes_before_the_accept_refuses(
    serving: Serving, raises: bool, logs: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    """Trap: aiohttp's `close()` before `prepare()` raises, and `closed` is then False."""

    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        await request.close(1008)
        assert request.closed
        if raises:
            raise ValueError("oops")
        return "1", None

    driver = make_driver(deciding(decide))
    async with serving(driver) as host, await host.client() as client:
        assert (await host.upgrade(client)).status in ((403, 500) if raises else (400, 403))
        assert driver.bots == {}
    assert "Exception in ASGI application" not in caplog.text
    assert bool(logs.matching("The adapter recorder failed", "ERROR")) is raises


async def test_a_client_that_leaves_while_the_adapter_decides_enters_nothing(
    serving: Serving,
) -> None:
    asked, decided = asyncio.Event(), asyncio.Event()

    async def decide(request: HTTPConnection) -> Decision:
        asked.set()
        await decided.wait()
        return "1", None

    driver = make_driver(deciding(decide))
    hooked: list[Any] = []
    driver.on_bot_connect(hooked.append)
    async with serving(driver) as host:
        async with await host.client() as client:
            upgrading = asyncio.create_task(host.upgrade(client))
            await within(asked.wait())
            client.reset()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await upgrading
        await settle()
        decided.set()
        await settle()
        await eventually(lambda: driver.bots == {})
        async with host.connected():
            await eventually(lambda: "1" in driver.bots)
    assert len(hooked) == 1


async def test_compression_is_off_unless_asked_for(adapter: Adapter) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate", **BOT}
    for compress in (False, True):
        driver = make_driver(adapter, aiohttp_compress=compress)
        async with own_process(driver) as host, await host.client() as client:
            response = await host.upgrade(client, offer)
            agreed = response.header("Sec-WebSocket-Extensions")
            assert agreed == ("permessage-deflate" if compress else None)


async def test_names_that_no_adapter_has_stay_the_applications(adapter: Adapter) -> None:
    async with attached(make_driver(adapter)) as host, await host.client() as client:
        response = await host.upgrade(client, target="/stranger/ws")
        assert (response.status, response.text) == (404, "404: Not Found")
