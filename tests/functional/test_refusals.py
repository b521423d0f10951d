"""Refusals that are a transport's own or the adapters' business, and what is logged of them."""

from __future__ import annotations

import gzip

import pytest
from aiohttp import web

from nonebot_aiohttp import HTTPConnection, HTTPResponse, WebSocket
from tests.support.bots import Decision, RecordingBot, make_driver
from tests.support.client import RawClient
from tests.support.hosts import Serving, asgi, own_process, serve_application
from tests.support.logs import Logs
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


async def test_a_compressed_body_does_not_pass_the_limit(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    """A host of aiohttp decompresses, so the declared length says nothing of the body's."""
    driver = make_driver(adapter, aiohttp_max_body_size=1000)
    body = gzip.compress(b"x" * 100_000)
    headers = {"X-Self-ID": "1", "Content-Encoding": "gzip"}
    async with serving(driver) as host:
        decompresses = host.face == "aiohttp" and serving is not own_process
        response = await host.post(body, headers)
        assert response.status == (413 if decompresses else 200)
    assert adapter.messages == ([] if decompresses else [body])


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("DELETE", 405), ("POST", 200)])
async def test_a_wrong_method_is_logged(
    method: str, status: int, adapter: type[RecordingBot], logs: Logs
) -> None:
    for serving in (own_process, asgi):
        logs.clear()
        async with serving(make_driver(adapter)) as host:
            response = await host.request(method, "/recorder/", {"X-Self-ID": "1"})
            assert response.status == status
            if status == 405:
                assert response.header("allow") == "POST"
        assert len(logs.matching("with 405: method not allowed", "WARNING")) == (status == 405)


async def test_a_plain_request_for_a_socket_is_logged(
    serving: Serving, adapter: type[RecordingBot], logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host:
        response = await host.request("GET", "/recorder/ws", {"X-Self-ID": "1"})
        assert response.status == 426
    assert logs.matching("Refused a request for recorder with 426", "WARNING")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_an_unknown_adapter_is_not_found_whatever_the_method(
    method: str, adapter: type[RecordingBot]
) -> None:
    for serving in (own_process, asgi):
        async with serving(make_driver(adapter)) as host:
            assert (await host.request(method, "/nobody/")).status == 404


@pytest.mark.parametrize(("path", "status"), [("/favicon.ico", 404), ("/recorder/", 405)])
async def test_an_application_keeps_its_own_404(
    path: str, status: int, adapter: type[RecordingBot]
) -> None:
    app = web.Application()
    make_driver(adapter).attach(app)
    async with serve_application(app) as port, await RawClient.connect(port) as client:
        assert (await client.request("GET", path)).status == status


@pytest.mark.parametrize(
    "name", ["a\x85b", b"\xff\xfe".decode("utf-8", "surrogateescape"), "x" * 257]
)
async def test_an_id_that_cannot_be_shown_is_refused(
    name: str, serving: Serving, logs: Logs
) -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            return name, None

    driver = make_driver(Recorder)
    async with serving(driver) as host:
        response = await host.post()
        assert (response.status, response.text) == (
            400,
            "the bot's id is not printable text of up to 256 characters",
        )
        async with await host.client() as client:
            assert (await host.upgrade(client)).status in (400, 403)
    assert Recorder.messages == []
    assert name not in logs.output


@pytest.mark.parametrize("target", ["/recorder/", "/recorder/other", "/a/b/c", "/"])
@pytest.mark.parametrize("expected", ["\xf7", "tea"])
async def test_an_unknown_expectation_fails(
    expected: str,
    target: str,
    adapter: type[RecordingBot],
    logs: Logs,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Strangers ask for whatever they like, and may not fill the log with tracebacks."""
    async with own_process(make_driver(adapter)) as host:
        headers = {"X-Self-ID": "1", "Expect": expected}
        assert (await host.request("POST", target, headers, b"event")).status == 417
    assert logs.messages("ERROR") == []
    # aiohttp's own, too.
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_body_comes_after_100_continue(adapter: type[RecordingBot]) -> None:
    async with own_process(make_driver(adapter)) as host, await host.client() as client:
        head = b"POST /recorder/ HTTP/1.1\r\nHost: h\r\nX-Self-ID: 1\r\nContent-Length: 5\r\n"
        await client.send(head + b"Expect: 100-continue\r\n\r\n")
        assert (await client.read_response("HEAD")).status == 100
        await client.send(b"event")
        assert (await client.read_response()).status == 200
    assert adapter.messages == [b"event"]


async def test_a_version_that_is_no_text_is_a_malformed_handshake(
    adapter: type[RecordingBot], logs: Logs
) -> None:
    async with own_process(make_driver(adapter)) as host, await host.client() as client:
        headers = {"X-Self-ID": "1", "Upgrade": "websocket", "Connection": "Upgrade"}
        response = await client.request(
            "GET", "/recorder/ws", {**headers, "Sec-WebSocket-Version": "\xf7"}
        )
        assert response.status == 400
    assert logs.messages("ERROR") == []


async def test_no_content_has_no_length() -> None:
    """RFC 9110, section 8.6."""

    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            return "1", HTTPResponse(204)

    for serving in (own_process, asgi):
        async with serving(make_driver(Recorder)) as host:
            response = await host.post()
            assert (response.status, response.header_values("content-length")) == (204, [])


async def test_a_socket_whose_adapter_is_slow_to_decide_hears_of_the_stop() -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, WebSocket)
            await request.accept()
            await request.receive()
            return "1", None

    driver = make_driver(Recorder)
    async with own_process(driver) as host, await host.client() as client:
        assert (await host.upgrade(client)).status == 101
        await eventually(lambda: Recorder.requests)
        driver.exit()
        close = await client.read_close()
        assert close.close_code == 1001
