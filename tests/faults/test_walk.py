"""A thousand faults on all four ways at once, with waits between attempts that take no time.

``PYTEST_FAULTS_SEED`` repeats a run, ``PYTEST_FAULTS_CYCLES`` makes it longer.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from aiohttp import web

from benchmarks.faults.report import format_walk
from benchmarks.faults.walk import walk
from nonebot_aiohttp import HTTPRequest, HTTPResponse
from nonebot_aiohttp.connections.aiohttp_websocket import AiohttpWebSocket
from nonebot_aiohttp.reverse.adapter_endpoints import AdapterEndpoints
from nonebot_aiohttp.reverse.aiohttp_transport import AiohttpTransport
from tests.faults.generated import once_is_enough

CYCLES = int(os.environ.get("PYTEST_FAULTS_CYCLES", "1000"))
SEED = int(os.environ.get("PYTEST_FAULTS_SEED", "759212216"))


@pytest.mark.both_loops
async def test_a_walk_over_faults_loses_and_leaves_nothing() -> None:
    """Refused, reset, hung up on, lied to, flooded: all ways at once."""
    outcome = await walk(SEED, CYCLES, virtual=True, walkers=10)
    print(f"seed {SEED}: {format_walk(outcome)}")
    assert outcome.problems == [], f"repeat it with PYTEST_FAULTS_SEED={SEED}"
    assert outcome.faults == CYCLES


@once_is_enough
async def test_a_walk_notices_a_driver_that_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it owes a status or a close code; that the peer is served again is not enough."""

    async def hang_up(face: AiohttpTransport, request: web.Request) -> web.StreamResponse:
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
        endpoints: AdapterEndpoints, target: Any, request: HTTPRequest
    ) -> HTTPResponse:
        if next(answered) > 50:
            return HTTPResponse(503)
        return await handle(endpoints, target, request)

    monkeypatch.setattr(AdapterEndpoints, "http", refuse)
    outcome = await walk(1, None, seconds=1.0, virtual=True, walkers=1, patience=2.0)
    assert [problem for problem in outcome.problems if problem.startswith("webhook-0")]
