"""The bodies of webhooks, under every host alike: limits, times, and what is malformed."""

from __future__ import annotations

import gzip
import re

import aiohttp
import pytest

from tests.support.bots import RecordingBot, make_driver
from tests.support.hosts import Serving, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle

BOT = {"X-Self-ID": "1"}

AIOHTTP = tuple(map(int, re.findall(r"\d+", aiohttp.__version__)[:3]))


@pytest.mark.promise("webhook: a body over the limit gets 413")
async def test_a_body_over_the_limit_gets_413(
    serving: Serving, adapter: type[RecordingBot], logs: Logs
) -> None:
    async with serving(make_driver(adapter, aiohttp_max_body_size=1000)) as host:
        assert (await host.post(b"x" * 1000)).status == 200
        response = await host.post(b"x" * 1001)
        assert response.status == 413
        assert response.text == "the body is larger than 1000 bytes (aiohttp_max_body_size)"
    assert adapter.messages == [b"x" * 1000]
    assert len(logs.matching("413", "WARNING")) == 1


async def test_the_largest_webhook_of_github_is_taken(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    """Its payloads are capped at 25 MB, and sent as a whole; larger ones are not sent."""
    body = b"x" * (25 << 20)
    async with serving(make_driver(adapter)) as host:
        assert (await host.post(body)).status == 200
        await eventually(lambda: adapter.messages)
    assert adapter.messages == [body]


async def test_a_declared_body_over_the_limit_is_not_waited_for(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    async with serving(driver) as host, await host.client() as client:
        declared = {"X-Self-ID": "1", "Content-Length": "11"}
        await client.send_request("POST", f"{host.prefix}/recorder/", declared, b"x")
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
    serving: Serving, adapter: type[RecordingBot], parts: list[bytes]
) -> None:
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    async with serving(driver) as host, await host.client() as client:
        chunked = {"X-Self-ID": "1", "Transfer-Encoding": "chunked"}
        await client.send_request("POST", f"{host.prefix}/recorder/", chunked)
        await client.trickle(parts, settle)
        assert (await client.read_response()).status == 413
        if len(parts) > 1:
            await client.send(b"0\r\n\r\n")
    assert adapter.messages == []


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_slow_body_may_be_as_large_as_the_limit(
    serving: Serving, adapter: type[RecordingBot], chunked: bool, size: int, status: int
) -> None:
    """Not one byte more, and not one byte less arrives."""
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    parts = [b"x"] * size
    how = {"Content-Length": str(size)}
    if chunked:
        how = {"Transfer-Encoding": "chunked"}
        parts = [*(b"1\r\n%b\r\n" % part for part in parts), b"0\r\n\r\n"]
    async with serving(driver) as host, await host.client() as client:
        await client.send_request("POST", f"{host.prefix}/recorder/", {"X-Self-ID": "1", **how})
        await client.trickle(parts, settle)
        assert (await client.read_response()).status == status
    assert adapter.messages == ([b"x" * size] if status == 200 else [])


async def test_no_body_is_an_empty_event(serving: Serving, adapter: type[RecordingBot]) -> None:
    async with serving(make_driver(adapter)) as host:
        assert (await host.request("POST", "/recorder/", BOT)).status == 200
        declared = {"X-Self-ID": "1", "Content-Length": "0"}
        assert (await host.request("POST", "/recorder/", declared)).status == 200
    assert adapter.messages == [b"", b""]


async def test_a_chunked_body_arrives_whole(serving: Serving, adapter: type[RecordingBot]) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        chunked = {"X-Self-ID": "1", "Transfer-Encoding": "chunked"}
        await client.send_request("POST", f"{host.prefix}/recorder/", chunked)
        parts = [b"3\r\none\r\n", b"4\r\n two\r\n", b"0\r\n\r\n"]
        await client.trickle(parts, settle)
        assert (await client.read_response()).status == 200
    assert adapter.messages == [b"one two"]


@pytest.mark.promise("webhook: our own limit bounds the body under every host")
async def test_the_hosts_own_limit_does_not_count(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    """Trap: aiohttp's `client_max_size` is 1 MiB, and `request.read()` obeys it."""
    body = b"x" * (2 << 20)
    async with serving(make_driver(adapter)) as host:
        assert (await host.post(body)).status == 200
    assert adapter.messages == [body]


@pytest.mark.promise("webhook: a body that trickles gets 408")
async def test_a_body_that_trickles_gets_408(serving: Serving, adapter: type[RecordingBot]) -> None:
    async with serving(make_driver(adapter, aiohttp_body_timeout=0.05)) as host:
        async with await host.client() as client:
            declared = {"X-Self-ID": "1", "Content-Length": "10"}
            await client.send_request("POST", f"{host.prefix}/recorder/", declared, b"x")
            response = await client.read_response()
            assert response.status == 408
            assert "aiohttp_body_timeout" in response.text
            await client.send(b"x" * 9)
        assert (await host.post()).status == 200
    assert adapter.messages == [b"event"]


async def test_a_body_that_is_awaited_takes_nobodys_place(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    driver = make_driver(adapter, aiohttp_max_inflight=1)
    async with serving(driver) as host, await host.client() as client:
        declared = {"X-Self-ID": "1", "Content-Length": "4"}
        await client.send_request("POST", f"{host.prefix}/recorder/", declared, b"sl")
        assert (await host.post(b"quick")).status == 200
        await client.send(b"ow")
        assert (await client.read_response()).status == 200
    assert adapter.messages == [b"quick", b"slow"]


async def test_a_body_for_nobody_is_not_waited_for(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        head = {"X-Self-ID": "1", "Content-Length": "100"}
        await client.send_request("POST", f"{host.prefix}/stranger/", head, b"x")
        assert (await client.read_response()).status == 404
        # aiohttp reads the rest for a while, so that the answer is not lost to a reset.
        await client.send(b"x" * 99)


async def test_the_body_may_be_slower_than_its_head(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        declared = {"X-Self-ID": "1", "Content-Length": "4", "Expect": "100-continue"}
        await client.send_request("POST", f"{host.prefix}/recorder/", declared)
        assert (await client.read_response()).status == 100
        await client.send(b"body")
        assert (await client.read_response()).status == 200
    assert adapter.messages == [b"body"]


async def test_a_client_that_vanishes_amid_its_body_is_not_heard(
    serving: Serving, adapter: type[RecordingBot], logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host:
        async with await host.client() as client:
            declared = {"X-Self-ID": "1", "Content-Length": "100"}
            await client.send_request("POST", f"{host.prefix}/recorder/", declared, b"x")
            client.reset()
        gone = "400: the client went away before the body was complete"
        await eventually(lambda: logs.matching(gone, "WARNING"))
        assert (await host.post()).status == 200
    assert adapter.messages == [b"event"]
    assert logs.messages("ERROR") == []


async def test_a_malformed_body_gets_400(
    serving: Serving, adapter: type[RecordingBot], logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        chunked = {"X-Self-ID": "1", "Transfer-Encoding": "chunked"}
        await client.send_request("POST", f"{host.prefix}/recorder/", chunked)
        await client.send(b"no number\r\n")
        assert b"200" not in (await client.read_to_end())[:20]
        assert (await host.post()).status == 200
    assert adapter.messages == [b"event"]
    assert logs.messages("ERROR") == []


async def test_a_body_that_cannot_be_decompressed_gets_400(
    serving: Serving, adapter: type[RecordingBot], logs: Logs
) -> None:
    """Only hosts of aiohttp's decompress; all others hand the bytes on as they came."""
    async with serving(make_driver(adapter)) as host:
        decompresses = host.face == "aiohttp" and serving is not own_process
        response = await host.post(b"no gzip", {"X-Self-ID": "1", "Content-Encoding": "gzip"})
        if decompresses:
            assert (response.status, response.text) == (400, "the body is malformed")
            assert response.header("Connection") == "close"
    assert adapter.messages == ([] if decompresses else [b"no gzip"])
    assert len(logs.matching("with 400: the body is malformed", "WARNING")) == decompresses


async def test_malformed_http_gets_400_and_one_plain_line(
    adapter: type[RecordingBot], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with own_process(make_driver(adapter)) as host:
        # The internet knocks all day: the second one makes no line.
        for _ in range(2):
            async with await host.client() as client:
                await client.send(b"POST /recorder/ HTTP/1.1\r\nno header\r\n\r\n")
                assert (await client.read_response()).status == 400
        assert (await host.post()).status == 200
    lines = [record for record in caplog.records if record.name == "nonebot_aiohttp.server"]
    assert [(line.levelname, line.exc_info) for line in lines] == [("INFO", None)]
    assert lines[0].getMessage() == "Refused a malformed HTTP request with 400"


@pytest.mark.promise("webhook: the body is the raw bytes")
async def test_in_our_own_process_nothing_is_decompressed(adapter: type[RecordingBot]) -> None:
    """Signatures are over the bytes as they came."""
    body = gzip.compress(b"event")
    async with own_process(make_driver(adapter)) as host:
        await host.post(body, {"X-Self-ID": "1", "Content-Encoding": "gzip"})
    assert adapter.messages == [body]


async def test_an_idle_connection_is_closed(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter, aiohttp_keepalive_timeout=0.1)
    async with own_process(driver) as host, await host.client() as client:
        assert (await client.request("POST", "/recorder/", BOT, b"x")).status == 200
        assert await client.read_to_end() == b""


if AIOHTTP >= (3, 14, 4):
    # Before, aiohttp waits for the headers of a first request for ever.

    @pytest.mark.parametrize("sent", [b"", b"POST /recorder/ HTTP/1.1\r\nX-Self-ID: "])
    async def test_a_client_that_never_finishes_its_headers_is_gone(
        adapter: type[RecordingBot], sent: bytes
    ) -> None:
        """Trap: aiohttp's own `keepalive_timeout`, the only bound, is about an hour."""
        driver = make_driver(adapter, aiohttp_keepalive_timeout=0.1)
        async with own_process(driver) as host, await host.client() as client:
            await client.send(sent)
            assert await client.read_to_end() == b""
