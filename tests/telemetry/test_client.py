"""The spans of what goes out: polls, forward WebSockets, calls, and the sessions of both faces."""

from __future__ import annotations

from typing import Any

from nonebot.drivers import Request
from opentelemetry.trace import SpanKind, StatusCode

from nonebot_aiohttp.log import redact_url
from tests.support.bots import make_driver, new_adapter, running
from tests.support.forward import polling, websocket
from tests.support.waiting import eventually
from tests.telemetry.faces import nonebot2, standalone
from tests.telemetry.spans import Platform, Spans, parent, traced


async def test_each_poll_is_a_span_and_so_is_the_call_of_its_handler(
    spans: Spans, platform: Platform
) -> None:
    driver = standalone(platform)
    driver.setup_http_polling(polling(platform.url("/poll"), method="GET", poll_interval=100))
    async with driver.lifespan():
        found = await spans.ended(SpanKind.CLIENT, 2)
    # Each begins a trace: the poll has ended before its handler starts.
    assert [(span.name, parent(span)) for span in found] == [("GET", None)] * 2
    assert all(platform.parents)


async def test_a_redirected_poll_is_a_span_for_each_hop(spans: Spans, platform: Platform) -> None:
    """The instrumentation comes in addition to the driver's own trace config, not in its place."""
    driver = make_driver(adapter := new_adapter())
    driver.setup_http_polling(polling(platform.url("/moved"), method="GET", poll_interval=100))
    async with driver.lifespan():
        await eventually(lambda: adapter.messages)
        first, second = await spans.ended(SpanKind.CLIENT, 2)
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "Redirected")
    assert (second.attributes or {})["http.status_code"] == 200


async def test_a_forward_websocket_is_a_span_of_its_handshake(
    spans: Spans, platform: Platform
) -> None:
    driver = standalone(platform)
    driver.setup_websocket(websocket(platform.url("/ws", "ws")))
    async with driver.lifespan():
        await eventually(lambda: platform.sockets)
        (handshake,) = await spans.ended(SpanKind.CLIENT)
        assert (handshake.attributes or {})["http.status_code"] == 101
        await platform.sockets[0].send_str("event")
        _, call = await spans.ended(SpanKind.CLIENT, 2)
    assert parent(call) is None


async def test_the_sessions_of_nonebot2_are_seen(spans: Spans, platform: Platform) -> None:
    driver = nonebot2(platform)
    request = Request("GET", platform.url("/request"))
    async with driver.lifespan():
        for _ in range(2):  # The second uses the lent session again.
            await driver.request(request)
        async with driver.get_session() as session:
            await session.request(request)
        async with driver.websocket(Request("GET", platform.url("/ws", "ws"))):
            pass
        found = await spans.ended(SpanKind.CLIENT, 4)
    assert [(span.attributes or {})["http.status_code"] for span in found] == [200] * 3 + [101]
    assert all(platform.parents)


async def test_the_filter_of_the_client_hides_a_token(platform: Platform) -> None:
    url = platform.url("/bot123:S3cr3t/getMe?access_token=S3cr3t")
    with traced(url_filter=redact_url) as spans:
        async with running(new_adapter()) as driver:
            session: Any = driver.session
            async with session.get(url) as response:
                await response.read()
        (span,) = spans.clients
    assert (span.attributes or {})["http.url"] == platform.url("/***/getMe")
