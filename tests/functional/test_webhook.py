"""Webhooks, under every host alike: admission, answers, and the request that the adapter sees."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from nonebot_aiohttp import HTTPConnection, HTTPRequest, HTTPResponse
from tests.support.bots import Adapter, Decision, RecordingBot, answering, deciding, make_driver
from tests.support.hosts import Serving, own_process
from tests.support.logs import Logs
from tests.support.waiting import settle

BOT = {"X-Self-ID": "1"}


class Blocking(RecordingBot):
    """Handles nothing before it may."""

    released: asyncio.Event

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.released = asyncio.Event()

    async def react(self, message: bytes) -> None:
        await self.released.wait()


@pytest.fixture
def blocking() -> type[Blocking]:
    return type("Recorder", (Blocking,), {})


@pytest.mark.promise("webhook: four paths lead to an adapter, and other methods get 405")
@pytest.mark.parametrize("path", ["/recorder", "/recorder/", "/recorder/http", "/recorder/http/"])
async def test_the_four_paths_of_an_adapter_take_webhooks(
    serving: Serving, adapter: Adapter, path: str
) -> None:
    async with serving(make_driver(adapter)) as host:
        response = await host.request("POST", path, BOT, b"\x00raw\xff")
    assert (response.status, response.body) == (200, b"")
    assert adapter.messages == [b"\x00raw\xff"]


@pytest.mark.promise("webhook: the path is decoded and keeps any prefix, and the query is raw")
async def test_the_adapter_sees_the_request_as_it_came(serving: Serving, adapter: Adapter) -> None:
    """Trap: adapters read `x-self-id`, header names must arrive lowercased."""
    headers = [
        ("X-Self-ID", "1"),
        ("X-Twice", "b"),
        ("Cookie", "a=1"),
        ("x-twice", "a, c"),
        ("cookie", "b=2"),
        ("X-Empty", ""),
        ("Host", "bot.example:81"),
    ]
    async with serving(make_driver(adapter)) as host:
        target = f"{host.prefix}/recorder/?q=%E4%BD%A0&p=a%2Fb+c&q=%zz"
        async with await host.client() as client:
            await client.request("POST", target, headers, b"{}")
    request = adapter.requests[0]
    assert isinstance(request, HTTPRequest)
    # Transports set the fields themselves.
    assert vars(request).keys() == {field.name for field in dataclasses.fields(HTTPRequest)}
    assert (request.type, request.method, request.body) == ("http", "POST", b"{}")
    assert (request.scheme, request.http_version) == ("http", "1.1")
    assert request.path == f"{host.prefix}/recorder/"
    assert request.query_string.startswith(b"q=%E4%BD%A0&p=a%2Fb+c&q=%")
    assert request.headers == {
        "x-self-id": "1",
        "x-twice": "b, a, c",
        "cookie": "a=1; b=2",
        "x-empty": "",
        "host": "bot.example:81",
        "content-length": "2",
    }


async def test_the_bot_has_the_request_that_its_adapter_was_asked_with(serving: Serving) -> None:
    requests: list[HTTPConnection] = []

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            requests.append(self.request)

    async with serving(make_driver(Recorder)) as host:
        for _ in range(2):
            assert (await host.post()).status == 200
    assert [id(request) for request in requests] == [id(request) for request in Recorder.requests]
    assert len(requests) == 2


async def test_only_paths_of_registered_adapters_are_kept(
    serving: Serving, adapter: Adapter
) -> None:
    """A peer can make up as many others as it likes."""
    driver = make_driver(adapter)
    async with serving(driver) as host:
        for end in ("recorder/", "recorder/http", "recorder/ws", "recorder/other", "stranger/"):
            await host.request("POST", f"/{end}", BOT)
        webhooks = driver._host._transport.endpoints.webhooks
        assert {"/recorder/", "/recorder/http"} <= webhooks.keys()
        assert webhooks.keys() <= {f"/recorder{end}" for end in ("", "/", "/http", "/http/")}


@pytest.mark.promise("webhook: the path is decoded and keeps any prefix, and the query is raw")
async def test_the_path_is_decoded_and_keeps_any_prefix(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver()
    driver.register_adapter("你好 bot", adapter)
    async with serving(driver) as host:
        response = await host.request("POST", "/%E4%BD%A0%E5%A5%BD%20bot/http", BOT, b"x")
        assert response.status == 200
        assert adapter.requests[0].path == f"{host.prefix}/你好 bot/http"


@pytest.mark.promise("webhook: four paths lead to an adapter, and other methods get 405")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_get_405(
    serving: Serving, adapter: Adapter, method: str, logs: Logs
) -> None:
    async with serving(make_driver(adapter)) as host:
        response = await host.request(method, "/recorder/http", BOT)
        assert (response.status, response.header("Allow")) == (405, "POST")
        response = await host.request("POST", "/recorder/ws", BOT)
        assert (response.status, response.header("Allow")) == (405, "GET")
    assert adapter.requests == []
    # An application's router answers by itself where the driver is attached to it.
    logged = bool(logs.matching("with 405: method not allowed", "INFO"))
    assert logged == (serving.__name__ != "attached")


@pytest.mark.promise("webhook: an unknown adapter gets 404")
@pytest.mark.parametrize("path", ["/stranger/", "/recorder/other", "/recorder/http/x", "/", "//"])
async def test_what_leads_to_no_adapter_gets_404(
    serving: Serving, adapter: Adapter, path: str
) -> None:
    async with serving(make_driver(adapter)) as host:
        for method in ("POST", "GET", "PUT"):
            assert (await host.request(method, path, BOT, b"x")).status == 404
    assert adapter.requests == []


@pytest.mark.promise("data: the log says once why a request was refused")
async def test_the_log_keeps_no_unknown_names_and_no_repetitions(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    """Strangers send requests all day: nothing but plain words of theirs, and few lines."""
    async with serving(make_driver(adapter)) as host:
        for number in range(3):
            await host.request("POST", f"/secret{number}/", BOT, b"x")
            await host.request("POST", "/recorder/", {}, b"x")
    assert "secret" not in logs.output
    unknown = logs.matching("an unknown adapter from 127.0.0.1 with 404: no such adapter: ***")
    assert len(unknown) == (0 if serving.__name__ == "attached" else 1)
    assert len(logs.matching("recorder from 127.0.0.1 with 401")) == 1


@pytest.mark.promise("webhook: adapters that register late are reachable")
async def test_an_adapter_that_registers_late_is_reachable(
    serving: Serving, adapter: Adapter
) -> None:
    """Trap: aiohttp's router freezes at setup()."""
    driver = make_driver()
    async with serving(driver) as host:
        assert (await host.post()).status == 404
        driver.register_adapter("recorder", adapter)
        assert (await host.post()).status == 200


@pytest.mark.promise("webhook: a refusal has the adapter's status, body and headers, or is 401")
async def test_refused_without_a_response_is_401(serving: Serving, adapter: Adapter) -> None:
    async with serving(make_driver(adapter)) as host:
        response = await host.request("POST", "/recorder/", {"X-Other": "1"}, b"x")
    assert (response.status, response.text) == (401, "the adapter refused")
    assert adapter.messages == []


@pytest.mark.promise("webhook: a refusal has the adapter's status, body and headers, or is 401")
@pytest.mark.parametrize("status", [200, 403, 429])
async def test_an_adapters_refusal_keeps_its_status_body_and_headers(
    serving: Serving, logs: Logs, status: int
) -> None:
    """Trap: the seed's own drivers lost them. A platform's challenge is refused with 200."""
    refusal = HTTPResponse(status, b"challenge", {"x-why": "because", "content-type": "a/b"})
    adapter = answering(None, refusal)
    async with serving(make_driver(adapter)) as host:
        response = await host.post()
    assert (response.status, response.body) == (status, b"challenge")
    assert response.header_values("X-Why") == ["because"]
    assert response.header_values("Content-Type") == ["a/b"]
    assert adapter.messages == []
    assert bool(logs.matching("Refused a webhook")) == (status != 200)


async def test_an_adapters_answer_goes_with_a_bot_too(serving: Serving) -> None:
    adapter = answering("1", HTTPResponse(202, b"taken", {"content-length": "5"}))
    async with serving(make_driver(adapter)) as host:
        response = await host.post()
    assert (response.status, response.body) == (202, b"taken")
    assert response.header_values("Content-Length") == ["5"]
    assert adapter.messages == [b"event"]


async def test_an_answer_without_content_has_no_length(serving: Serving) -> None:
    """RFC 9110, section 8.6."""
    async with serving(make_driver(answering("1", HTTPResponse(204)))) as host:
        response = await host.post()
        assert (response.status, response.header_values("content-length")) == (204, [])


@pytest.mark.promise("webhook: an adapter that raises gets 500 and is logged")
async def test_an_adapter_that_raises_in_check_permission_gets_500(
    serving: Serving, logs: Logs
) -> None:
    async def decide(request: HTTPConnection) -> Decision:
        raise ValueError("{braces} <markup>")

    recorder = deciding(decide)
    async with serving(make_driver(recorder, aiohttp_max_inflight=1)) as host:
        for _ in range(2):
            response = await host.post()
            assert (response.status, response.text) == (500, "the adapter failed")
            assert response.header("Content-Type") == "text/plain; charset=utf-8"
    assert recorder.messages == []
    failure = logs.matching("The adapter recorder failed", "ERROR")[0]
    assert "{braces} <markup>" in failure.output


async def test_an_adapter_whose_bot_cannot_be_made_gets_500(serving: Serving) -> None:
    class Recorder(RecordingBot):
        def __init__(self, self_id: str, request: HTTPConnection) -> None:
            raise ValueError("no")

    async with serving(make_driver(Recorder)) as host:
        assert (await host.post()).status == 500


@pytest.mark.promise("webhook: an adapter that raises gets 500 and is logged")
async def test_a_handler_that_raises_is_logged_and_stops_nobody(
    serving: Serving, logs: Logs
) -> None:
    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            raise ValueError(f"cannot handle {message.decode()}")

    async with serving(make_driver(Recorder, aiohttp_max_inflight=1)) as host:
        assert (await host.post(b"1")).status == 200
        assert (await host.post(b"2")).status == 200
    assert Recorder.messages == [b"1", b"2"]
    (explained,) = logs.messages("ERROR")
    assert explained.startswith("A handler of bot 1 of recorder failed\n  Traceback")
    # The same failure again is counted, for all bots of the adapter together.
    again = "A handler of recorder failed 1 more time(s), at last with ValueError: cannot handle 2"
    assert logs.messages("WARNING") == [again]


@pytest.mark.promise("webhook: the answer does not wait for the handler")
async def test_the_answer_does_not_wait_for_the_handler(
    serving: Serving, blocking: type[Blocking]
) -> None:
    async with serving(make_driver(blocking)) as host:
        assert (await host.post()).status == 200
        assert blocking.messages == [b"event"]
        blocking.released.set()


@pytest.mark.promise("webhook: a webhook over the in-flight limit gets 503 with Retry-After")
@pytest.mark.parametrize("headers", [BOT, {**BOT, "Origin": "https://page.example"}])
async def test_over_the_in_flight_limit_there_is_503_with_retry_after(
    serving: Serving, blocking: type[Blocking], logs: Logs, headers: dict[str, str]
) -> None:
    settings = {"aiohttp_max_inflight": 2, "aiohttp_allowed_origins": ["https://page.example"]}
    async with serving(make_driver(blocking, **settings)) as host:
        # Again, for each handler that has ended makes room for one more, and for one only.
        for _ in range(2):
            blocking.released.clear()
            for _ in range(2):
                assert (await host.post(headers=headers)).status == 200
            response = await host.post(b"third", headers)
            assert (response.status, response.header("Retry-After")) == (503, "5")
            assert response.text == "too many events in flight"
            async with await host.client() as client:
                assert (await host.upgrade(client)).status == 101
            blocking.released.set()
            await settle()
        assert (await host.post(b"third", headers)).status == 200
    assert blocking.messages == [*[b"event"] * 4, b"third"]
    assert logs.matching("too many events in flight", "WARNING")


async def test_over_the_in_flight_limit_no_body_is_waited_for(
    serving: Serving, blocking: type[Blocking], logs: Logs
) -> None:
    async with serving(make_driver(blocking, aiohttp_max_inflight=1)) as host:
        if host.transport == "asgi":
            pytest.skip("an ASGI server does not tell whether the body is there already")
        assert (await host.post()).status == 200
        async with await host.client() as client:
            head = {"X-Self-ID": "1", "Content-Length": "100"}
            await client.send_request("POST", f"{host.prefix}/recorder/", head, b"x")
            assert (await client.read_response()).status == 503
            # aiohttp reads the rest for a while, so that the answer is not lost to a reset.
            await client.send(b"x" * 99)
        blocking.released.set()
    assert logs.matching(
        "Refused a webhook of recorder from 127.0.0.1 with 503: too many", "WARNING"
    )


async def test_a_path_answers_the_same_again_and_again(serving: Serving, adapter: Adapter) -> None:
    """The first webhook of a path is found, the others are known."""
    async with serving(make_driver(adapter, aiohttp_max_body_size=10)) as host:
        for _ in range(3):
            assert (await host.post(b"event")).status == 200
            assert (await host.post(b"x" * 11)).status == 413
            refused = await host.request("GET", "/recorder/", BOT)
            assert (refused.status, refused.header("Allow")) == (405, "POST")
            assert (await host.request("POST", "/recorder/ws", BOT)).status == 405
            async with await host.client() as client:
                assert (await host.upgrade(client)).status == 101
    assert adapter.messages == [b"event"] * 3


async def test_an_adapter_that_is_taken_away_is_not_found(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host:
        assert (await host.post()).status == 200
        taken = driver._adapters.pop("recorder")
        assert (await host.post()).status == 404
        driver._adapters["recorder"] = taken
        assert (await host.post()).status == 200


async def test_what_is_refused_does_not_count_as_in_flight(
    serving: Serving, adapter: Adapter
) -> None:
    settings = {"aiohttp_max_inflight": 1, "aiohttp_max_body_size": 10}
    async with serving(make_driver(adapter, **settings)) as host:
        assert (await host.post(b"x" * 11)).status == 413
        assert (await host.request("POST", "/recorder/", {}, b"x")).status == 401
        assert (await host.request("POST", "/stranger/", BOT, b"x")).status == 404
        assert (await host.post()).status == 200


@pytest.mark.promise("registry: webhook bots live for one event")
async def test_bots_of_webhooks_live_for_one_event(serving: Serving, adapter: Adapter) -> None:
    driver = make_driver(adapter)
    hooked: list[Any] = []
    driver.on_bot_connect(hooked.append)
    driver.on_bot_disconnect(hooked.append)
    async with serving(driver) as host:
        assert (await host.post()).status == 200
        assert driver.bots == {}
    assert hooked == []


async def test_a_stopping_driver_refuses_on_connections_that_are_open(
    blocking: type[Blocking],
) -> None:
    driver = make_driver(blocking)
    async with own_process(driver) as host, await host.client() as client:
        assert (await client.request("POST", "/recorder/", BOT, b"last")).status == 200
        driver.exit()
        response = await client.request("POST", "/recorder/", BOT, b"late")
        while response.status == 200:
            response = await client.request("POST", "/recorder/", BOT, b"late")
        assert (response.status, response.header("Connection")) == (503, "close")
        assert await client.read_to_end() == b""
        blocking.released.set()
