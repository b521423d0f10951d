"""The driver's own process on a Unix socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import RUN, own_process
from tests.process.observing import post
from tests.support.client import RawClient
from tests.support.waiting import within


@pytest.fixture
def path() -> Iterator[str]:
    """Give a path that is short enough for a socket's address."""
    with tempfile.TemporaryDirectory() as directory:
        yield str(Path(directory) / "bot.sock")


def is_there(path: str) -> bool:
    return Path(path).exists()


async def test_replaces_the_file_of_a_dead_process_and_removes_it(
    path: str, launch: Launch
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert is_there(path)
    program = launch(own_process(path=path))
    await program.logged("Listening on")
    async with await RawClient.connect_unix(path) as client:
        assert (await post(client, RUN, b'{"do": "exit"}')).status == 200
        assert await program.exit_code() == 0
    assert not is_there(path)
    assert program.journal[-1] == "left behind: []"


@pytest.mark.parametrize(
    ("given", "settings", "mode"),
    [
        ({}, {}, 0o666),
        ({}, {"aiohttp_socket_mode": "0660"}, 0o660),
        ({"mode": 0o600}, {"aiohttp_socket_mode": "0660"}, 0o600),
    ],
    ids=["default", "setting", "argument"],
)
async def test_its_file_has_the_mode_that_was_asked_for(
    path: str, launch: Launch, given: dict[str, Any], settings: dict[str, Any], mode: int
) -> None:
    program = launch(own_process(path=path, **given), **settings)
    await program.logged("Listening on")
    assert mode_of(path) == mode
    program.stop()
    assert await program.exit_code() == 0


def mode_of(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("mode", "status"), [("0666", 0), ("0660", 1)])
async def test_another_user_such_as_nginx_may_connect_if_the_mode_lets_it(
    path: str, launch: Launch, mode: str, status: int
) -> None:
    Path(path).parent.chmod(0o755)
    program = launch(own_process(path=path), aiohttp_socket_mode=mode)
    await program.logged("Listening on")
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
    process = await asyncio.create_subprocess_exec(
        python, "-c", CONNECT, path, stderr=asyncio.subprocess.DEVNULL, **nobody
    )
    assert await within(process.wait()) == status
    program.stop()
    assert await program.exit_code() == 0


@pytest.mark.promise("life: a port in use fails before anything ran")
async def test_leaves_the_file_of_a_live_process(path: str, launch: Launch) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(path)
        alive.listen()
        program = launch(own_process(path=path))
        assert await program.exit_code(r"another process listens there") == 1
        assert is_there(path)
    assert program.journal == ["left behind: []"]


@pytest.fixture
def precious(path: str) -> Iterator[str]:
    """Give the path of a file that is not a socket, and must not change."""
    Path(path).write_text("precious")
    yield path
    assert Path(path).read_text() == "precious"


async def test_leaves_a_file_that_is_not_a_socket(precious: str, launch: Launch) -> None:
    program = launch(own_process(path=precious))
    assert await program.exit_code(r"Cannot listen on \S+: ") == 1
