"""The bodies of webhooks, under every host alike: limits, times, and what is malformed."""

from __future__ import annotations

import re

import aiohttp
import pytest

from tests.support.bots import Adapter, make_driver
from tests.support.client import RawClient
from tests.support.hosts import Host, Serving, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle
from tests.support.wire import Headers

BOT = {"X-Self-ID": "1"}
CHUNKED = {**BOT, "Transfer-Encoding": "chunked"}


async def begin(
    host: Host, client: RawClient, headers: Headers, sent: bytes = b"", name: str = "recorder"
) -> None:
    """Send the head of a webhook, and the beginning of its body."""
    await client.send_request("POST", f"{host.prefix}/{name}/", headers, sent)


def declared(length: int) -> dict[str, str]:
    return {**BOT, "Content-Length": str(length)}


AIOHTTP = tuple(map(int, re.findall(r"\d+", aiohttp.__version__)[:3]))


@pytest.mark.promise("webhook: a body over the limit gets 413")
async def test_a_body_over_the_limit_gets_413(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    async with serving(make_driver(adapter, aiohttp_max_body_size=1000)) as host:
        assert (await host.post(b"x" * 1000)).status == 200
        response = await host.post(b"x" * 1001)
        assert response.status == 413
        assert response.text == "the body is larger than 1000 bytes (aiohttp_max_body_size)"
    assert adapter.messages == [b"x" * 1000]
    assert len(logs.matching("413", "WARNING")) == 1


@pytest.mark.promise("webhook: our own limit bounds the body under every host")
async def test_the_largest_webhook_of_github_is_taken(serving: Serving, adapter: Adapter) -> None:
    """Its payloads are capped at 25 MB, where aiohttp's own `client_max_size` is 1 MiB."""
    body = b"x" * (25 << 20)
    async with serving(make_driver(adapter)) as host:
        assert (await host.post(body)).status == 200
        await eventually(lambda: adapter.messages)
    assert adapter.messages == [body]


async def test_a_declared_body_over_the_limit_is_not_waited_for(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    async with serving(driver) as host, await host.client() as client:
        await begin(host, client, declared(11), b"x")
        assert (await client.read_response()).status == 413
        # aiohttp reads the rest for a while, so that the answer is not lost to a reset.
        await client.send(b"x" * 10)


@pytest.mark.promise("webhook: a body over the limit gets 413")
@pytest.mark.parametrize(
    "parts",
    [[b"6\r\n123456\r\n", b"5\r\n12345\r\n"], [b"b\r\n12345678901\r\n0\r\n\r\n"]],
    ids=["in pieces", "in one"],
)
async def test_a_chunked_body_over_the_limit_gets_413(
    serving: Serving, adapter: Adapter, parts: list[bytes]
) -> None:
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    async with serving(driver) as host, await host.client() as client:
        await begin(host, client, CHUNKED)
        await client.trickle(parts, settle)
        assert (await client.read_response()).status == 413
        if len(parts) > 1:
            await client.send(b"0\r\n\r\n")
    assert adapter.messages == []


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_slow_body_may_be_as_large_as_the_limit(
    serving: Serving, adapter: Adapter, chunked: bool, size: int, status: int
) -> None:
    """Not one byte more, and not one byte less arrives."""
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    parts = [b"x"] * size
    if chunked:
        parts = [*(b"1\r\n%b\r\n" % part for part in parts), b"0\r\n\r\n"]
    async with serving(driver) as host, await host.client() as client:
        await begin(host, client, CHUNKED if chunked else declared(size))
        await client.trickle(parts, settle)
        assert (await client.read_response()).status == status
    assert adapter.messages == ([b"x" * size] if status == 200 else [])


async def test_no_body_is_an_empty_event(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host:
        assert (await host.request("POST", "/recorder/", BOT)).status == 200
        assert (await host.request("POST", "/recorder/", declared(0))).status == 200
    assert adapter.messages == [b"", b""]


@pytest.mark.promise("webhook: a body that trickles gets 408")
async def test_a_body_that_trickles_gets_408(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter, aiohttp_body_timeout=0.05)) as host:
        async with await host.client() as client:
            await begin(host, client, declared(10), b"x")
            response = await client.read_response()
            assert response.status == 408
            assert "aiohttp_body_timeout" in response.text
            await client.send(b"x" * 9)
        assert (await host.post()).status == 200
    assert adapter.messages == [b"event"]


async def test_a_body_that_is_awaited_takes_nobodys_place(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter, aiohttp_max_inflight=1)
    async with serving(driver) as host, await host.client() as client:
        await begin(host, client, declared(4), b"sl")
        assert (await host.post(b"quick")).status == 200
        await client.send(b"ow")
        assert (await client.read_response()).status == 200
    assert adapter.messages == [b"quick", b"slow"]


async def test_a_body_for_nobody_is_not_waited_for(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        await begin(host, client, declared(100), b"x", "stranger")
        assert (await client.read_response()).status == 404
        # aiohttp reads the rest for a while, so that the answer is not lost to a reset.
        await client.send(b"x" * 99)


async def test_the_body_may_be_slower_than_its_head(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        await begin(host, client, {**declared(4), "Expect": "100-continue"})
        assert (await client.read_response()).status == 100
        await client.send(b"body")
        assert (await client.read_response()).status == 200
    assert adapter.messages == [b"body"]


async def test_a_client_that_vanishes_amid_its_body_is_not_heard(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host:
        async with await host.client() as client:
            await begin(host, client, declared(100), b"x")
            client.reset()
        gone = "400: the client went away before the body was complete"
        await eventually(lambda: logs.matching(gone, "INFO"))
        assert (await host.post()).status == 200
    assert adapter.messages == [b"event"]
    assert logs.messages("ERROR") == []


async def test_a_malformed_body_gets_400(serving: Serving, adapter: Adapter, logs: Logs) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        await begin(host, client, CHUNKED)
        await client.send(b"no number\r\n")
        assert b"200" not in (await client.read_to_end())[:20]
        assert (await host.post()).status == 200
    assert adapter.messages == [b"event"]
    assert logs.messages("ERROR") == []


async def test_a_body_that_cannot_be_decompressed_gets_400(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    """Only hosts of aiohttp's decompress; all others hand the bytes on as they came."""
    async with serving(make_driver(adapter)) as host:
        decompresses = host.transport == "aiohttp" and serving is not own_process
        response = await host.post(b"no gzip", {"X-Self-ID": "1", "Content-Encoding": "gzip"})
        if decompresses:
            assert (response.status, response.text) == (400, "the body is malformed")
            assert response.header("Connection") == "close"
    assert adapter.messages == ([] if decompresses else [b"no gzip"])
    assert len(logs.matching("with 400: the body is malformed", "WARNING")) == decompresses


async def test_malformed_http_gets_400_and_one_plain_line(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with own_process(make_driver(adapter)) as host:
        # Strangers send such requests all day: the second one is not logged.
        for _ in range(2):
            async with await host.client() as client:
                await client.send(b"POST /recorder/ HTTP/1.1\r\nno header\r\n\r\n")
                assert (await client.read_response()).status == 400
        assert (await host.post()).status == 200
    lines = [record for record in caplog.records if record.name == "nonebot_aiohttp.server"]
    assert [(line.levelname, line.exc_info) for line in lines] == [("INFO", None)]
    assert lines[0].getMessage() == "Refused a malformed HTTP request with 400"


async def test_an_idle_connection_is_closed(adapter: Adapter) -> None:
    driver = make_driver(adapter, aiohttp_keepalive_timeout=0.1)
    async with own_process(driver) as host, await host.client() as client:
        assert (await client.request("POST", "/recorder/", BOT, b"x")).status == 200
        assert await client.read_to_end() == b""


if AIOHTTP >= (3, 14, 4):
    # Before, aiohttp waits for the headers of a first request for ever.

    @pytest.mark.parametrize("sent", [b"", b"POST /recorder/ HTTP/1.1\r\nX-Self-ID: "])
    async def test_a_client_that_never_finishes_its_headers_is_gone(
        adapter: Adapter, sent: bytes
    ) -> None:
        """Trap: aiohttp's own `keepalive_timeout`, the only bound, is about an hour."""
        driver = make_driver(adapter, aiohttp_keepalive_timeout=0.1)
        async with own_process(driver) as host, await host.client() as client:
            await client.send(sent)
            assert await client.read_to_end() == b""
