"""The stop under each host, compared with the table of docs/hosts.md."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import HOSTS, HYPERCORN, Host, exception_to, holds
from tests.process.observing import check, post
from tests.process.programs import Program
from tests.process.simulator import Platform, http_api
from tests.support.client import RawClient

under_each_host = pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)


def check_exit_code(host: Host, code: int) -> None:
    assert code in (0, -signal.SIGTERM)
    check("exit code", host, code == 0)


@pytest.mark.promise("life: under ASGI the drain goes on without WebSockets")
@under_each_host
async def test_handlers_in_flight(host: Host, launch: Launch) -> None:
    async with http_api() as (url, calls):
        program = launch(host, api_root=url, work_seconds=0.5)
        async with Platform(program.port, host.prefix) as platform:
            assert await platform.post("7", do="work", id=1) == 200
            await program.noted("begun 1")
            assert await platform.post("7", do="go") == 200
            program.stop()
            code = await program.exit_code()
    check_exit_code(host, code)
    check("drain", host, len(calls) == 1 and program.handled() == {"1": 1})


@pytest.mark.promise("forward: the session is open around all hooks")
@pytest.mark.promise("life: the drain waits for handlers while the sockets work")
@pytest.mark.promise("life: the stop has an order")
@under_each_host
async def test_answers_over_the_socket(host: Host, launch: Launch) -> None:
    # Where a host closes the sockets first, the work has to end after that, on any machine.
    program = launch(host, work_seconds=0.5 if holds("answers", host) else 3.0)
    async with Platform(program.port, host.prefix) as platform:
        line = await platform.connect("7")
        await platform.send("7", do="work", id=1)
        await program.noted("begun 1")
        await platform.send("7", do="go")
        program.stop()
        if host is HYPERCORN:
            await program.noted("handled 1")
            await line.socket.close()
        code = await line.close_code()
        answered = bool(line.calls) and program.handled() == {"1": 1}
        await program.exit_code(*expected_of(host))
    check("answers", host, answered)
    check("going away", host, code == 1001)
    if exception_to("going away", host) is None:
        assert program.journal.index("handled 1") < program.journal.index("disconnect 7")
    check("hooks in order", host, stopped_in_order(program))


def expected_of(host: Host) -> tuple[str, ...]:
    """Return patterns of the log lines of a host that closes the sockets first."""
    if exception_to("answers", host) is None:
        return ()
    return (
        r"A handler of bot \S+ of platform failed",
        r"^  Traceback",
        r"^  ",
        r"^  KeyError: '7'",
    )


def stopped_in_order(program: Program) -> bool:
    """Tell whether the hooks ran in the promised order."""
    disconnected = program.journal.index("disconnect 7")
    return program.journal[disconnected : disconnected + 3] == [
        "disconnect 7",
        "shutdown of the second",
        "shutdown of the first, session closed: False",
    ]


@pytest.mark.promise("life: an open connection gets 503 with Connection: close during the drain")
@under_each_host
async def test_webhook_during_the_drain(host: Host, launch: Launch) -> None:
    program = launch(host, aiohttp_drain_timeout=2)
    async with await RawClient.connect(program.port) as client:
        assert (await post(client, host, b'{"do": "hang"}')).status == 200
        await program.noted("begun")
        program.stop()
        await program.logged("Waiting for 1 handler")
        check("busy", host, await meets_503(client, host))


async def meets_503(client: RawClient, host: Host) -> bool:
    """Send a webhook on an open connection; tell whether it is refused rather than cut off."""
    try:
        response = await post(client, host, b'{"do": "note", "id": 2}')
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    assert response.status == 503
    assert response.header("Connection") == "close"
    assert response.header("Retry-After")
    return True
