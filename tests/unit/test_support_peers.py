"""What tests against the scripted server and the raw client rely on without seeing it."""

from __future__ import annotations

import pytest

from tests.support import scripts
from tests.support.client import RawClient
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


async def test_waiting_for_an_attempt_that_does_not_come_fails() -> None:
    async with ScriptedServer(scripts.hang()) as server:
        with pytest.raises(AssertionError, match="attempt 1 to connect"):
            await server.attempt(1, timeout=0.01)


@pytest.mark.parametrize("after_request", [False, True])
async def test_reset(after_request: bool) -> None:
    async with ScriptedServer(scripts.reset(after_request)) as server:
        async with await RawClient.connect(server.port) as client:
            with pytest.raises(ConnectionError):
                await client.request("GET", "/")
        assert len(server.attempts[0].requests) == after_request


async def test_a_mistake_in_a_script_fails_the_test() -> None:
    async def mistaken(connection: Connection) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with (
            ScriptedServer(mistaken) as server,
            await RawClient.connect(server.port) as client,
        ):
            await client.read_to_end()

    with pytest.raises(ZeroDivisionError):
        await run()


async def test_the_client_resets() -> None:
    async with ScriptedServer(scripts.hang()) as server:
        async with await RawClient.connect(server.port) as client:
            await server.attempt(1)
            client.reset()
        await eventually(lambda: server.attempts[0].ended)
        assert isinstance(server.attempts[0].error, ConnectionResetError)
