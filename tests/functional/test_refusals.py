"""Refusals that are a transport's own or the adapters' business, and what is logged of them."""

from __future__ import annotations

import gzip

import pytest

from nonebot_aiohttp import HTTPConnection, WebSocket
from tests.support.bots import Adapter, Decision, answering, deciding, make_driver
from tests.support.hosts import Serving, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


@pytest.mark.promise("webhook: the body is the raw bytes")
async def test_a_compressed_body_does_not_pass_the_limit(
    serving: Serving, adapter: Adapter
) -> None:
    """A host of aiohttp decompresses, so that the declared length is not the body's.

    All others hand the bytes on as they came, because signatures are over these.
    """
    driver = make_driver(adapter, aiohttp_max_body_size=1000)
    body = gzip.compress(b"x" * 100_000)
    headers = {"X-Self-ID": "1", "Content-Encoding": "gzip"}
    async with serving(driver) as host:
        decompresses = host.transport == "aiohttp" and serving is not own_process
        response = await host.post(body, headers)
        assert response.status == (413 if decompresses else 200)
    assert adapter.messages == ([] if decompresses else [body])


@pytest.mark.parametrize(
    "name", ["a\x85b", b"\xff\xfe".decode("utf-8", "surrogateescape"), "x" * 257]
)
async def test_an_id_that_cannot_be_shown_is_refused(
    name: str, serving: Serving, logs: Logs
) -> None:
    recorder = answering(name, None)
    driver = make_driver(recorder)
    async with serving(driver) as host:
        response = await host.post()
        assert (response.status, response.text) == (
            400,
            "the bot's id is not printable text of up to 256 characters",
        )
        async with await host.client() as client:
            assert (await host.upgrade(client)).status in (400, 403)
    assert recorder.messages == []
    assert name not in logs.output


async def test_a_version_that_is_not_text_is_a_malformed_handshake(
    adapter: Adapter, logs: Logs
) -> None:
    async with own_process(make_driver(adapter)) as host, await host.client() as client:
        headers = {"X-Self-ID": "1", "Upgrade": "websocket", "Connection": "Upgrade"}
        response = await client.request(
            "GET", "/recorder/ws", {**headers, "Sec-WebSocket-Version": "\xf7"}
        )
        assert response.status == 400
    assert logs.messages("ERROR") == []


async def test_a_socket_whose_adapter_is_slow_to_decide_hears_of_the_stop() -> None:
    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        await request.accept()
        await request.receive()
        return "1", None

    recorder = deciding(decide)
    driver = make_driver(recorder)
    async with own_process(driver) as host, await host.client() as client:
        assert (await host.upgrade(client)).status == 101
        await eventually(lambda: recorder.requests)
        driver.exit()
        close = await client.read_close()
        assert close.close_code == 1001
