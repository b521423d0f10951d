"""Fixtures of the tests for NoneBot2 2.4 and later."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.support.certs import one_authority
from tests.support.logs import Logs, collected_logs
from tests.support.proxy import RecordingProxy

from ..support.choice import Candidate
from ..support.inprocess import make_driver, started
from ..support.process import Bot
from ..support.recorder import Recorder, echo, recording

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy")

HEARTBEAT = 2.0
"""Seconds between the pings of this driver's WebSockets."""


_one_authority = pytest.fixture(scope="package", autouse=True)(one_authority)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxies of this machine out of the tests."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def logs() -> Iterator[Logs]:
    """What the test logs."""
    with collected_logs() as collected:
        yield collected
    collected.check_fields()


@pytest.fixture
async def driver(client_driver: Candidate) -> AsyncIterator[Any]:
    """A started driver with a client half."""
    driver = make_driver(client_driver)
    async with started(driver):
        yield driver


@pytest.fixture(scope="module")
def bot(server_driver: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot without an adapter, whose routes show what they get; it notices silent peers soon."""
    folder = tmp_path_factory.mktemp("bot")
    # What a test has made fail may be logged only when the bot is stopped.
    with Bot(
        "server_bot", server_driver, folder, allow_tracebacks=True, aiohttp_heartbeat=HEARTBEAT
    ) as bot:
        yield bot


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    """A server that keeps what it was sent."""
    async with recording() as recorder:
        yield recorder


@pytest.fixture
async def proxy() -> AsyncIterator[RecordingProxy]:
    """A forward proxy that keeps what it was asked for."""
    async with RecordingProxy() as proxy:
        yield proxy


@pytest.fixture
def echoing(recorder: Recorder) -> str:
    """The URL of a WebSocket that sends back what it gets."""
    recorder.answers["/echo"] = echo
    return recorder.url("/echo", scheme="ws")
