"""NoneBot2 under systemd: what it is told, and the sockets that it gives."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nonebot_aiohttp.life.tasks import TaskSet
from nonebot_aiohttp.nonebot2 import events
from nonebot_aiohttp.nonebot2.events import EventWork
from tests.process.programs import ROOT
from tests.support.systemd import PATIENCE, Notified, notified
from tests.support.waiting import eventually

from ..support.onebot import SELF_ID, Platform, message_event

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="systemd is on Linux")]

BOT = """
import asyncio

import nonebot
from nonebot.adapters.onebot.v11 import Adapter, MessageEvent

nonebot.init(aiohttp_loop=LOOP)
nonebot.get_driver().register_adapter(Adapter)
go = asyncio.Event()


@nonebot.on_message().handle()
async def wait(event: MessageEvent) -> None:
    if event.get_plaintext() == "go":
        go.set()
    await go.wait()


nonebot.run()
"""


@contextmanager
def running(
    folder: Path, loop: str, given: socket.socket, told: Notified
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a bot as systemd does; end it with the test."""
    (folder / "bot.py").write_text(BOT.replace("LOOP", repr(loop)), "utf-8")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
        "DRIVER": "nonebot_aiohttp.nonebot2",
        "NOTIFY_SOCKET": told.address,
        "WATCHDOG_USEC": "1000000",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-W", "error", "-m", "tests.process.bots.activated"]
    command += ["bot.socket", str(given.fileno()), "bot.py"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            pass_fds=[given.fileno()],
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_bot_tells_systemd_and_serves_on_its_socket(
    tmp_path: Path, loop: str, there: Platform
) -> None:
    with notified() as told, socket.create_server(("127.0.0.1", 0)) as given:
        url = f"ws://127.0.0.1:{given.getsockname()[1]}/onebot/v11/ws"
        with running(tmp_path, loop, given, told) as process:
            async with there.reverse(url) as connection:
                await told.has("READY=1")
                await told.has("STATUS=1 bot connected, 0 events in flight")
                await connection.send(message_event("wait"))
                await told.has("STATUS=1 bot connected, 1 event in flight")
                await told.has("WATCHDOG=1", times=3)
                process.send_signal(signal.SIGTERM)
                await told.has("STATUS=Stopping, 1 bot connected, 1 event in flight")
                await connection.send(message_event("go"))
                await eventually(lambda: process.poll() is not None, PATIENCE, "the end")
    log = (tmp_path / "log").read_text("utf-8")
    assert process.returncode == 0, log
    assert f"Bot {SELF_ID}" in log
    assert "systemd has opened the sockets" in log
    assert told.fields.count("STOPPING=1") == 1


async def test_many_tasks_are_not_searched_for_events(monkeypatch: pytest.MonkeyPatch) -> None:
    work = EventWork(TaskSet("HTTP handler"), TaskSet("WebSocket handler"))
    assert work.count() == 0
    monkeypatch.setattr(events, "MOST_TASKS", len(asyncio.all_tasks()) - 1)
    assert work.count() is None
