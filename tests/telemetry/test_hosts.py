"""The spans of what comes in, and of the calls that handlers make, by host and by face.

The package has been imported before aiohttp is instrumented; processes show the other order.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from nonebot_aiohttp.life import tasks
from tests.support.frames import Frame, Opcode
from tests.support.waiting import eventually
from tests.telemetry.faces import APPLICATIONS, FACES, FAILING, serving
from tests.telemetry.spans import Platform, Spans, number, parent

pytestmark = [
    pytest.mark.parametrize("face", FACES),
    pytest.mark.parametrize("host", APPLICATIONS),
]


@pytest.fixture(params=[True, False], ids=["eager", "lazy"])
def eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start tasks eagerly, where Python can, and as older ones do."""
    monkeypatch.setattr(tasks, "EAGER", request.param and tasks.EAGER)


def path_of(host: Any, path: str) -> str:
    return f"{host.prefix}{path}"


@pytest.mark.promise("operations: OpenTelemetry sees webhooks and API calls, under every host")
@pytest.mark.usefixtures("eager")
async def test_the_call_of_a_webhooks_handler_is_a_child_of_the_webhook(
    face: str, host: str, spans: Spans, platform: Platform
) -> None:
    driver = FACES[face](platform)
    async with serving(host, driver, spans) as served:
        for _ in range(2):
            # The own process would take the second one past the router.
            assert (await served.post()).status in (200, 204)
        calls = await spans.ended(SpanKind.CLIENT, 2)
    count = APPLICATIONS[host]
    assert len(spans.servers) == 2 * count
    assert {span.name for span in spans.servers} == {f"POST {path_of(served, '/recorder/')}"}
    assert {(span.attributes or {})["http.status_code"] for span in spans.servers} <= {200, 204}
    # The application that a request reaches last ends first.
    innermost = [number(span) for span in spans.servers[::count]]
    assert sorted(map(str, map(parent, calls))) == sorted(map(str, innermost))
    sent = [str(header).split("-")[2] for header in platform.parents]
    assert sorted(sent) == sorted(f"{number(call):016x}" for call in calls)


async def test_a_websocket_is_one_span_and_its_handlers_calls_are_children(
    face: str, host: str, spans: Spans, platform: Platform
) -> None:
    driver = FACES[face](platform)
    async with serving(host, driver, spans) as served:
        async with await served.client() as client:
            assert (await served.upgrade(client)).status == 101
            await client.send_frame(Frame(Opcode.TEXT, b"one"), Frame(Opcode.TEXT, b"two"))
            calls = await spans.ended(SpanKind.CLIENT, 2)
            assert not spans.servers
        count = APPLICATIONS[host]
        ended = await spans.ended(SpanKind.SERVER, count)
    assert len(spans.servers) == count
    # A WebSocket of ASGI has no method.
    method = "HTTP" if host == "asgi" else "GET"
    assert {span.name for span in ended} == {f"{method} {path_of(served, '/recorder/ws')}"}
    assert [parent(call) for call in calls] == [number(ended[0])] * 2


async def test_a_refused_request_has_a_span_without_the_text_of_the_peer(
    face: str, host: str, spans: Spans, platform: Platform
) -> None:
    driver = FACES[face](platform)
    async with serving(host, driver, spans) as served:
        assert (await served.request("POST", "/made-up/")).status == 404
        assert (await served.request("DELETE", "/recorder/")).status == 405
    assert [(span.attributes or {})["http.status_code"] for span in spans.servers] == [
        status for status in (404, 405) for _ in range(APPLICATIONS[host])
    ]
    assert (host == "asgi") == any("made-up" in span.name for span in spans.servers)
    assert not any("made-up" in str((s.attributes or {}).get("http.route")) for s in spans.servers)


async def test_one_bots_call_does_not_end_in_the_trace_of_another(
    face: str, host: str, spans: Spans, platform: Platform
) -> None:
    driver = FACES[face](platform)
    async with serving(host, driver, spans) as served:
        await asyncio.gather(*(served.post() for _ in range(5)))
        calls = await spans.ended(SpanKind.CLIENT, 5)
        await eventually(lambda: len(spans.servers) == 5 * APPLICATIONS[host])
    assert len({parent(call) for call in calls}) == 5


async def test_a_handler_that_fails_is_an_error_only_where_it_answers(
    face: str, host: str, spans: Spans, platform: Platform
) -> None:
    driver = FACES[face](platform)
    async with serving(host, driver, spans) as served:
        status = (await served.post(FAILING)).status
    wanted = (500, StatusCode.ERROR) if face == "nonebot2" else (200, StatusCode.UNSET)
    assert status == wanted[0]
    assert {span.status.status_code for span in spans.servers} == {wanted[1]}
    # NoneBot2's is in the log alone.
    assert not any(span.events for span in spans.servers)
