"""The `Content-Type` of what is answered: the adapter's or none, under every host alike."""

from __future__ import annotations

import pytest
from aiohttp import web

from nonebot_aiohttp import HTTPConnection, HTTPResponse
from tests.support.bots import Adapter, Decision, deciding, make_driver
from tests.support.client import RawClient
from tests.support.hosts import Serving, own_process, serve_application
from tests.support.logs import Logs
from tests.support.wire import Response

pytestmark = pytest.mark.both_loops

PLAIN = ["text/plain; charset=utf-8"]


def answering(answer: HTTPResponse) -> Adapter:
    """Return an adapter that takes or refuses events with the same answer."""

    async def decide(request: HTTPConnection) -> Decision:
        return request.headers.get("x-self-id"), answer

    return deciding(decide)


def types(response: Response) -> list[str]:
    return [value for name, value in response.headers if name.lower() == "content-type"]


@pytest.mark.parametrize("self_id", ["1", ""], ids=["taken", "refused"])
@pytest.mark.parametrize(
    "body", [b"<!doctype html><p>page", b"", None], ids=["page", "empty", "none"]
)
async def test_no_type_is_made_up(serving: Serving, body: bytes | None, self_id: str) -> None:
    """A browser would save a page as octet-stream, and show it as source as text/plain."""
    async with serving(make_driver(answering(HTTPResponse(200, body)))) as host:
        # Twice: the own process takes the second one past aiohttp's router.
        for _ in range(2):
            response = await host.post(headers={"X-Self-ID": self_id})
            assert (response.status, response.body) == (200, body or b"")
            assert types(response) == []


async def test_no_type_is_made_up_for_http_1_0(serving: Serving) -> None:
    recorder = answering(HTTPResponse(200, b"answer"))
    async with serving(make_driver(recorder)) as host, await host.client() as client:
        path = f"{host.prefix}/recorder/".encode()
        await client.send(b"POST " + path + b" HTTP/1.0\r\nX-Self-ID: 1\r\n\r\n")
        response = await client.read_response()
    assert (response.body, types(response)) == (b"answer", [])
    assert recorder.requests[0].http_version == "1.0"


async def test_no_type_is_made_up_when_a_websocket_is_refused(serving: Serving) -> None:
    driver = make_driver(answering(HTTPResponse(403, b"<p>no")))
    async with serving(driver) as host, await host.client() as client:
        response = await host.upgrade(client, {"X-Self-ID": ""})
    assert (response.status, response.body) == (403, b"<p>no")
    # uvicorn makes one up for refused handshakes, whatever the application has said.
    assert types(response) == ([] if host.transport == "aiohttp" else PLAIN)


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
async def test_the_adapters_type_is_kept(serving: Serving, name: str) -> None:
    answer = HTTPResponse(200, b"<p>page", {name: "text/html"})
    async with serving(make_driver(answering(answer))) as host:
        for _ in range(2):
            assert types(await host.post()) == ["text/html"]


async def test_what_an_application_adds_is_kept() -> None:
    app = web.Application()

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Type"] = "text/x-mine"

    app.on_response_prepare.append(add)
    make_driver(answering(HTTPResponse(200, b"answer"))).attach(app)
    async with serve_application(app) as port, await RawClient.connect(port) as client:
        for _ in range(2):
            response = await client.request("POST", "/recorder/", {"X-Self-ID": "1"}, b"event")
            assert types(response) == ["text/x-mine"]


async def fail(request: HTTPConnection) -> Decision:
    raise RuntimeError("this adapter always fails")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/recorder/", 500),
        ("GET", "/recorder/", 405),
        ("GET", "/recorder/ws", 426),
        ("POST", "/nobody/", 404),
        ("POST", "/large/", 413),
    ],
)
async def test_texts_of_the_driver_are_plain(
    serving: Serving, method: str, path: str, status: int, adapter: Adapter
) -> None:
    driver = make_driver(deciding(fail), aiohttp_max_body_size=10)
    driver.register_adapter("large", adapter)
    body = b"x" * (20 if status == 413 else 5)
    async with serving(driver) as host:
        for _ in range(2):
            response = await host.request(method, path, {"X-Self-ID": "1"}, body)
            if response.status == 404 and serving is not own_process:
                continue  # An application's own.
            assert (response.status, types(response)) == (status, PLAIN)


@pytest.mark.parametrize("path", ["/recorder/", "/recorder/other", "/a/b/c", "/"])
@pytest.mark.parametrize("expected", ["\xf7", "tea"])
async def test_an_unknown_expectation_is_417(
    path: str, expected: str, adapter: Adapter, logs: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers ask for whatever they like, and may not fill the log with tracebacks."""
    async with own_process(make_driver(adapter)) as host:
        response = await host.request("POST", path, {"Expect": expected}, b"event")
    assert (response.status, types(response)) == (417, PLAIN)
    assert logs.messages("ERROR") == []
    # aiohttp logs nothing of it, either.
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_expectation_that_is_not_utf8_is_refused_whatever_the_target(
    adapter: Adapter, logs: Logs
) -> None:
    async with own_process(make_driver(adapter)) as host:
        for target in (b"CONNECT a:1", b"GET http://a"):
            async with await host.client() as client:
                head = b" HTTP/1.1\r\nHost: a\r\nExpect: \xff\r\nConnection: close\r\n\r\n"
                await client.send(target + head)
                assert (await client.read_response()).status in (400, 417)
    assert "Traceback" not in logs.output
    assert logs.output.count("malformed") <= 1
