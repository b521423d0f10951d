"""Tests of the checks that nothing is left behind, and of the collected logs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from nonebot_aiohttp.testing.bots.leaks import Leaks
from tests.support.waiting import DEADLINE

ROOT = Path(__file__).parents[2]

LEAKY = """
import asyncio, logging, signal, socket, sys
import aiohttp, pytest
from loguru import logger

kept = []

async def test_task():
    kept.append(asyncio.create_task(asyncio.Event().wait()))

async def test_session():
    kept.append(aiohttp.ClientSession())

async def test_server():
    kept.append(await asyncio.start_server(print, "127.0.0.1", 0))

def test_signal():
    signal.signal(signal.SIGTERM, print)

def test_sink():
    logger.add(print)

def test_handler():
    logging.getLogger().addHandler(logging.NullHandler())

async def test_clean():
    async with aiohttp.ClientSession():
        pass
"""


def test_each_leak_is_an_error_of_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    arguments = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-W", "ignore", "-rA", "-n0"]
    wide = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-c", ROOT / "setup.cfg", tmp_path],
        cwd=ROOT,
        env=wide,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    assert "7 passed, 6 errors" in ran.stdout, ran.stdout
    wrong = [line for line in ran.stdout.splitlines() if line.startswith("ERROR ")]
    for name, sign in {
        "test_task": "a task that still runs",
        "test_session": "an aiohttp.ClientSession that nobody has closed",
        "test_server": "an open socket at 127.0.0.1:",
        "test_signal": "the handler of <Signals.SIGTERM",
        "test_sink": "the sinks of loguru",
        "test_handler": "the handlers of the root logger",
    }.items():
        assert any(f"::{name} " in line and sign in line for line in wrong), (name, wrong)


@pytest.mark.promise("life: after the stop no task, session or socket is left")
@pytest.mark.both_loops
async def test_a_task_a_session_and_a_socket_are_found() -> None:
    leaks = Leaks()
    task = asyncio.create_task(asyncio.Event().wait())
    session = aiohttp.ClientSession()
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    found = "; ".join(await leaks.found(0))
    for sign in ("a task that still runs", "ClientSession", "an open socket at 127.0.0.1:"):
        assert sign in found
    task.cancel()
    server.close()
    await session.close()
    assert await leaks.found(DEADLINE) == []
