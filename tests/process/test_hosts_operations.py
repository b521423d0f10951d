"""What operators get under each host, compared with the table of docs/hosts.md."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import HOSTS, Host
from tests.process.observing import check
from tests.process.programs import PATIENCE
from tests.process.test_operations import CANNOT, SETTINGS, becomes, ports_of, state_at
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")

under_each_host = pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)


@under_each_host
async def test_operators_are_answered_from_the_start_to_the_end(
    host: Host, launch: Launch, tmp_path: Path
) -> None:
    may_start = tmp_path / "may-start"
    settings = {"start_when": str(may_start), "shutdown_seconds": 1, **SETTINGS}
    program = launch(host, aiohttp_ops_port="0", **settings)
    (port,) = await ports_of(program, 1)
    starting = await state_at(port)
    may_start.touch()
    await becomes(port, (200, "ok"))
    program.stop()
    await becomes(port, (503, "stopping"))
    await program.ended()
    check("operators", host, starting == (503, "starting"))


@under_each_host
async def test_a_port_of_operators_in_use(host: Host, launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = launch(host, aiohttp_ops_port=taken.getsockname()[1], **SETTINGS)
        await eventually(
            lambda: program.process.poll() is not None or "started" in program.journal,
            PATIENCE,
            "the end, or the start",
        )
        has_failed = program.process.poll() is not None
        assert has_failed is not (CANNOT in program.log)
        check("operators' port", host, has_failed)
