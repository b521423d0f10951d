"""The start under each host, compared with the table of docs/hosts.md."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import HOSTS, Host
from tests.process.observing import check, polled_platform, post_until_accepted
from tests.process.programs import PATIENCE
from tests.support.ports import free_port
from tests.support.waiting import eventually, settle

under_each_host = pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)


@pytest.mark.promise("life: session, startup hooks, accepting, forward loops: in this order")
@under_each_host
async def test_startup_hooks_come_first(host: Host, launch: Launch, tmp_path: Path) -> None:
    may_start, port = tmp_path / "may-start", free_port()
    async with polled_platform('{"do": "note", "id": "polled"}') as url:
        program = launch(host, port, start_when=str(may_start), polling_url=url)
        await program.noted("startup")
        event = b'{"do": "note", "id": "posted"}'
        posting = asyncio.create_task(post_until_accepted(host, port, event))
        await settle()
        may_start.touch()
        await posting
        await program.noted("handled posted")
        await program.noted("handled polled")
    started = program.journal.index("started")
    check("startup first", host, started < program.journal.index("handled posted"))
    check("forward", host, started < program.journal.index("handled polled"))


@under_each_host
async def test_port_in_use(host: Host, launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = launch(host, taken.getsockname()[1])
        code = await program.ended()
    assert code > 0
    assert "in use" in program.log
    check("port first", host, "startup" not in program.journal)


@pytest.mark.promise("life: a startup hook that fails undoes the start and ends the process")
@under_each_host
async def test_startup_hook_that_fails(host: Host, launch: Launch) -> None:
    program = launch(host, fail_startup=True)
    await eventually(
        lambda: program.process.poll() is not None or program.journal.count("startup") > 1,
        PATIENCE,
        "the end, or a second attempt",
    )
    assert "the database is away" in program.log
    check("failed start", host, (program.process.poll() or 0) > 0)
    undone = ["startup", "shutdown of the second", "shutdown of the first, session closed: False"]
    check("undone start", host, program.journal[:3] == undone)
