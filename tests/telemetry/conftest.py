"""Collect the tests where OpenTelemetry is installed, and keep the spans in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support import absent

NEEDED = (
    "fastapi",
    "nb-cli",
    "nonebot-adapter-onebot",
    "nonebot2",
    "opentelemetry-distro",
    "opentelemetry-instrumentation-aiohttp-client",
    "opentelemetry-instrumentation-aiohttp-server",
    "opentelemetry-instrumentation-asgi",
)
"""Distributions that only the environment ``telemetry`` has all of."""

_missing = absent.missing(*NEEDED)

if not _missing:
    from tests.telemetry.spans import Platform, Spans, traced


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what would not even import."""
    reasons = {"telemetry/test_*.py": absent.not_installed(_missing)} if _missing else {}
    return absent.leave_out(config, collection_path, reasons)


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Instrument aiohttp, as a bot does, and collect the spans that have ended."""
    with traced() as collected:
        yield collected


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """Give a server that answers API calls, polls and WebSockets, and is not instrumented."""
    async with Platform() as serving:
        yield serving
