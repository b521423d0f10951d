"""What operators see of bots that run as processes: run(), gunicorn, uvicorn."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from typing import Any

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import GUNICORN, RUN, SUBAPP, TWO_WORKERS, UVICORN, Host, own_process
from tests.process.programs import PATIENCE, Program
from tests.process.simulator import Platform
from tests.support.operated import BEARER, GUARDED, TOKEN, ask, read_status
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")

SETTINGS: dict[str, Any] = {"aiohttp_ops_token": TOKEN}
LINE = re.compile(r"Listening for operators on http://127\.0\.0\.1:(\d+)(?=[\s;])")
CANNOT = "Operators cannot look at this process, and its bots go on: Cannot listen on 127.0.0.1"

TWO_OF_UVICORN = Host(
    "uvicorn --workers 2",
    ("uvicorn", "--port", "{port}", "--workers", "2", "tests.process.bots.hosted:asgi"),
    # The parent's own.
    ignored=("ignore:unclosed <socket:ResourceWarning",),
)


def pair_of_ports() -> tuple[int, int]:
    """Find two free ports in a row."""
    first = free_port()
    while (second := free_port()) != first + 1:
        first = second
    return first, second


async def ports_of(program: Program, count: int) -> set[int]:
    """Wait until so many processes of a program have said where operators look at them."""

    def found() -> set[int]:
        ports = {int(each) for each in LINE.findall(program.log)}
        return ports if len(ports) >= count else set()

    return await eventually(found, PATIENCE, "the operators' ports")


async def state_at(port: int) -> tuple[int, str]:
    """Ask /readyz."""
    response = await ask(port, "/readyz")
    return response.status, response.text.strip()


async def becomes(port: int, state: tuple[int, str]) -> None:
    """Wait until /readyz says something."""
    deadline = time.monotonic() + PATIENCE
    while (found := await state_at(port)) != state:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("host", [RUN, SUBAPP, GUNICORN, UVICORN], ids=lambda host: host.name)
@pytest.mark.promise("operations: the same paths answer under run(), add_subapp, gunicorn, uvicorn")
async def test_the_paths_under_each_host(launch: Launch, host: Host) -> None:
    program = launch(host, aiohttp_ops_port="0", **SETTINGS)
    (port,) = await ports_of(program, 1)
    await becomes(port, (200, "ok"))
    for path in GUARDED:
        assert (await ask(port, path)).status == 401
    for path in ("/status", "/metrics", "/"):
        response = await ask(port, path, BEARER)
        assert response.status == 200
        assert TOKEN not in response.text
    async with Platform(program.port, host.prefix) as sender:
        assert await sender.post("7", do="note", id=1) == 200
    await program.noted("handled 1")
    (webhooks,) = (await read_status(port))["webhooks"]
    assert webhooks == {"adapter": "platform", "answered": {"2xx": 1}}
    assert (await ask(program.port, "/status", BEARER)).status in (404, 405)
    program.stop()
    assert await program.exit_code() in (0, -15)
    assert TOKEN not in program.log
    with pytest.raises(ConnectionRefusedError):
        await ask(port, "/livez")


async def test_it_answers_while_the_process_starts_and_stops(
    launch: Launch, tmp_path: object
) -> None:
    program = launch(
        RUN,
        aiohttp_ops_port="0",
        start_when=f"{tmp_path}/start",
        shutdown_seconds=1,
        **SETTINGS,
    )
    (port,) = await ports_of(program, 1)
    await becomes(port, (503, "starting"))
    assert (await ask(port, "/livez")).status == 200
    open(f"{tmp_path}/start", "w").close()  # noqa: ASYNC230 - an empty file
    await becomes(port, (200, "ok"))
    program.stop()
    await becomes(port, (503, "stopping"))
    assert (await read_status(port))["state"] == "stopping"
    assert await program.exit_code() == 0
    assert program.journal[-1] == "left behind: []"


@pytest.mark.promise("operations: in the own process a port of operators in use fails the start")
async def test_a_port_in_use_fails_the_start_of_the_own_process(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host in (RUN, own_process(listen=False)):
            program = launch(host, aiohttp_ops_port=port, **SETTINGS)
            text = rf"Cannot listen on 127\.0\.0\.1 port {port}: .* \(aiohttp_ops_port\)$"
            assert await program.exit_code(text) == 1
            # No startup hook has run, and the public port was not opened.
            assert program.journal == ["left behind: []"]
            assert "Listening on" not in program.log


@pytest.mark.parametrize("host", [TWO_WORKERS, TWO_OF_UVICORN], ids=lambda host: host.name)
@pytest.mark.promise("operations: with a range of ports each worker of a server has its own")
async def test_each_worker_has_its_own_port(launch: Launch, host: Host) -> None:
    first, second = pair_of_ports()
    program = launch(host, free_port(), aiohttp_ops_port=f"{first}-{second}", **SETTINGS)
    assert await ports_of(program, 2) == {first, second}
    for port in (first, second):
        await becomes(port, (200, "ok"))
        assert (await ask(port, "/status")).status == 401
        assert (await read_status(port))["state"] == "running"
    program.stop()
    assert await program.exit_code() in (0, -15)
    for port in (first, second):
        with pytest.raises(ConnectionRefusedError):
            await ask(port, "/livez")


@pytest.mark.parametrize("host", [TWO_WORKERS, TWO_OF_UVICORN], ids=lambda host: host.name)
async def test_with_one_port_the_other_worker_goes_on(launch: Launch, host: Host) -> None:
    port, public = free_port(), free_port()
    program = launch(host, public, aiohttp_ops_port=port, **SETTINGS)
    await ports_of(program, 1)
    await program.logged(CANNOT)
    await program.noted("started", count=2)
    assert program.log.count(CANNOT) == 1
    await becomes(port, (200, "ok"))
    async with Platform(public) as sender:
        posts = (sender.post("7", do="note", id=number) for number in range(20))
        assert set(await asyncio.gather(*posts)) == {200}
    program.stop()
    line = rf"WARNING.*{CANNOT} port {port}: Address already in use \(aiohttp_ops_port\)"
    assert await program.exit_code(line) in (0, -15)
    assert program.handled() == {str(number): 1 for number in range(20)}
