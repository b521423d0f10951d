"""Faults on all four ways at once: a thousand without waits, or for a minute of real time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp import HTTPRequest, HTTPResponse
from nonebot_aiohttp.connections.aiohttp_websocket import AiohttpWebSocket
from nonebot_aiohttp.reverse.adapter_endpoints import AdapterEndpoints
from nonebot_aiohttp.reverse.aiohttp_transport import AiohttpTransport
from tests.stress.generated import once_is_enough
from tests.stress.walking.walk import walk

CYCLES, SEED = 1000, 759212216


@pytest.mark.both_loops
async def test_a_walk_over_faults_loses_and_leaves_nothing() -> None:
    """Refused, reset, hung up on, lied to, flooded: all ways at once."""
    outcome = await walk(SEED, CYCLES, virtual=True, walkers=10)
    print(outcome.summary)
    assert outcome.problems == []
    assert outcome.faults == CYCLES


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.both_loops
async def test_a_walk_of_a_minute_loses_and_leaves_nothing(seed: int) -> None:
    """With the delays between attempts that users have, though shorter."""
    outcome = await walk(seed, None, seconds=60.0, virtual=False, walkers=10)
    print(outcome.summary)
    assert outcome.problems == []


@once_is_enough
async def test_a_walk_notices_a_driver_that_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it owes a status or a close code; that the peer is served again is not enough."""

    async def hang_up(transport: AiohttpTransport, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def drop(socket: AiohttpWebSocket, code: int, reason: str = "") -> None:
        socket.abort(reason)

    monkeypatch.setattr(AiohttpTransport, "mismatch", hang_up)
    monkeypatch.setattr(AiohttpWebSocket, "end", drop)
    outcome = await walk(1, 400, virtual=True, walkers=5)
    hung_up_on = {
        (problem.partition("-")[0], problem.split(": ")[1])
        for problem in outcome.problems
        if problem.endswith("hung up on 3 times")
    }
    assert hung_up_on >= {
        ("webhook", "strangers"),
        ("reverse websocket", "invalid UTF-8"),
        ("forward websocket", "invalid UTF-8"),
    }


@once_is_enough
async def test_a_walk_ends_over_a_driver_that_takes_no_event_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if it had lost count of the webhooks in work."""
    handle, answered = AdapterEndpoints.http, itertools.count()

    async def refuse(
        endpoints: AdapterEndpoints, target: Any, request: HTTPRequest, source: Any = None
    ) -> HTTPResponse:
        if next(answered) > 10:  # A loaded machine has not answered many more in that second.
            return HTTPResponse(503)
        return await handle(endpoints, target, request, source)

    monkeypatch.setattr(AdapterEndpoints, "http", refuse)
    outcome = await walk(1, None, seconds=1.0, virtual=True, walkers=1, patience=2.0)
    assert [problem for problem in outcome.problems if problem.startswith("webhook-0")]
