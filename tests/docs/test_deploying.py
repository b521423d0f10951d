"""The page on deploying: what it shows runs, and does what it says."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from nonebot_aiohttp.hosts import certificates
from nonebot_aiohttp.options import DriverOptions
from tests.docs.commands import Command, needs_program, program
from tests.docs.deployed import (
    FILES,
    PAGE,
    Nginx,
    https_settings,
    port_of,
    post,
    running_bot,
    write_bot,
)
from tests.support.certs import RenewedFiles, Tls, shown_certificate
from tests.support.documents import ROOT
from tests.support.ports import free_port
from tests.support.systemd import notified
from tests.support.waiting import within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="deploying on Unix")

NEEDS_NGINX = needs_program("nginx", "-v")
PING = {"from": "10001", "text": "ping"}
MIB = 1024 * 1024


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory whose path is short enough for a Unix socket's address."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def longest_stop() -> float:
    """Return the seconds that a stop takes at most, with the default settings."""
    options = DriverOptions.parse({})
    return options.drain_timeout + 2 * options.close_timeout


async def answered_ping(client: aiohttp.ClientSession, url: str, tls: Tls | None = None) -> bool:
    """Be a platform on a reverse WebSocket: send an event, and get the call of its API."""
    ssl, headers = tls.client if tls else True, {"X-Self-ID": "12345"}
    async with client.ws_connect(url, headers=headers, ssl=ssl) as socket:
        await socket.send_json(PING)
        call = await within(socket.receive_json())
        return "pong" in json.dumps(call)


def test_every_limit_is_longer_than_a_stop() -> None:
    unit, compose = FILES["bot.service"], FILES["compose.yaml"]
    limits = [
        re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE),
        re.search(r"stop_grace_period: (\d+)s$", compose, re.MULTILINE),
        re.search(r"docker stop -t (\d+)", PAGE.text),
        re.search(r"--graceful-timeout (\d+)", PAGE.text),
    ]
    assert longest_stop() == 30
    assert all(limit and int(limit[1]) > longest_stop() for limit in limits)


def test_the_commands_copy_the_files_of_the_page() -> None:
    commands = PAGE.code("sh", "useradd")
    (copied,) = re.findall(r"^sudo cp (.+) /srv/bot/$", commands, re.MULTILINE)
    assert {*copied.split()} <= {*FILES, ".env"}
    assert subprocess.run(["bash", "-n", "-c", commands], check=False).returncode == 0
    unit = FILES["bot.service"]
    assert "WorkingDirectory=/srv/bot\n" in unit
    assert "User=bot\n" in unit


async def test_sigterm_is_an_orderly_stop(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    write_bot(tmp_path)
    async with running_bot(tmp_path) as bot:
        port = await port_of(bot)
        assert await post(client, f"http://127.0.0.1:{port}/my/") == 200
        bot.stop()
        assert await bot.ended() == 0
    assert bot.output.splitlines()[-1].endswith("Stopped")


async def test_a_failed_start_ends_with_1(tmp_path: Path) -> None:
    write_bot(tmp_path)
    async with running_bot(tmp_path) as first:
        port = str(await port_of(first))
        command = [sys.executable, "bot.py"]
        with Command(tmp_path, command, HOST="127.0.0.1", PORT=port) as second:
            assert await second.ended() == 1
            assert f"Cannot listen on 127.0.0.1 port {port}" in second.output


async def test_dotenv_is_read_from_the_directory_of_the_start(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_bot(tmp_path)
    port = free_port()
    (elsewhere / ".env").write_text(f"PORT={port}\n")
    with Command(elsewhere, [sys.executable, str(tmp_path / "bot.py")]) as bot:
        await bot.shows(f"Listening on http://127.0.0.1:{port}")


async def test_the_bot_tells_systemd_what_the_unit_asks_for(tmp_path: Path) -> None:
    write_bot(tmp_path)
    seconds = re.search(r"^Type=notify\nWatchdogSec=(\d+)$", FILES["bot.service"], re.MULTILINE)
    assert seconds
    with notified() as told:
        given = {"NOTIFY_SOCKET": told.address, "WATCHDOG_USEC": f"{seconds[1]}000000"}
        async with running_bot(tmp_path, **given) as bot:
            await told.has("READY=1")
            await told.has("STATUS=0 bots connected, 0 events in flight")
            assert told.count("WATCHDOG=1") == 1
            bot.stop()
            assert await bot.ended() == 0
        assert told.count("STOPPING=1") == 1


async def test_the_watchdogs_end_shows_the_line_that_has_blocked(tmp_path: Path) -> None:
    (variable,) = re.findall(r"^Environment=(\w+)=1$", FILES["bot.service"], re.MULTILINE)
    code = "import time\n\nprint('blocked', flush=True)\ntime.sleep(600)\n"
    with Command(tmp_path, [sys.executable, "-c", code], **{variable: "1"}) as bot:
        await bot.shows("blocked")
        bot.process.send_signal(signal.SIGABRT)
        assert await bot.ended() == -signal.SIGABRT
        assert "line 4 in <module>" in bot.output


@needs_program("systemd-socket-activate", "--version")
async def test_the_bot_serves_on_a_socket_of_systemd(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    write_bot(tmp_path)
    assert "ListenStream=127.0.0.1:8080\n" in FILES["bot.socket"]
    port = free_port()
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}"]
    activate += ["-E", f"PYTHONPATH={ROOT}"]
    with Command(tmp_path, [*activate, sys.executable, "bot.py"]) as bot:
        await bot.shows("Listening on")
        assert await post(client, f"http://127.0.0.1:{port}/my/") == 200
        (line,) = re.findall("`(systemd has opened .+?)`", PAGE.text)
        await bot.shows(line)
        bot.stop()
        assert await bot.ended() == 0


@needs_program("systemd-analyze", "--version")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    (tmp_path / "bot.socket").write_text(FILES["bot.socket"])
    text = FILES["bot.service"]
    for old, new in {"/srv/bot/.venv/bin/python": sys.executable, "User=bot": "User=root"}.items():
        assert old in text
        text = text.replace(old, new)
    unit = tmp_path / "bot.service"
    unit.write_text(text)
    path = program("systemd-analyze")
    assert path is not None
    units = [str(unit), str(tmp_path / "bot.socket")]
    ran = subprocess.run([path, "verify", *units], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    unit.write_text(text.replace("KillMode", "KillMood"))
    ran = subprocess.run([path, "verify", str(unit)], capture_output=True, text=True)
    assert "KillMood" in ran.stderr


@NEEDS_NGINX
async def test_nginx_passes_webhooks_and_websockets(
    tmp_path: Path, client: aiohttp.ClientSession, tls: Tls
) -> None:
    write_bot(tmp_path)
    async with running_bot(tmp_path) as bot:
        nginx = Nginx(tmp_path, tls, f"127.0.0.1:{await port_of(bot)}")
        with nginx.command("-t") as check:
            assert await check.ended() == 0, check.output
        async with nginx.serving():
            assert await post(client, nginx.url("/my/"), tls=tls) == 200
            assert await answered_ping(client, nginx.url("/my/ws", "wss"), tls)
            large = io.BytesIO(b" " * (31 * MIB) + b"{}")
            assert await post(client, nginx.url("/my/"), large, tls) == 200
            bot.stop()
            assert await bot.ended() == 0
            assert await post(client, nginx.url("/my/"), tls=tls) == 502


@NEEDS_NGINX
async def test_a_reload_of_nginx_leaves_websockets_open(
    tmp_path: Path, client: aiohttp.ClientSession, tls: Tls
) -> None:
    write_bot(tmp_path)
    async with running_bot(tmp_path) as bot:
        nginx = Nginx(tmp_path, tls, f"127.0.0.1:{await port_of(bot)}")
        url, headers = nginx.url("/my/ws", "wss"), {"X-Self-ID": "12345"}
        async with nginx.serving(), client.ws_connect(url, headers=headers, ssl=tls.client) as old:
            with nginx.command("-s", "reload") as reload:
                assert await reload.ended() == 0
            assert await post(client, nginx.url("/my/"), tls=tls) == 200
            await old.send_json(PING)
            assert "pong" in await within(old.receive_str())


@NEEDS_NGINX
async def test_nginx_reaches_the_bot_by_a_unix_socket(
    folder: Path, client: aiohttp.ClientSession, tls: Tls
) -> None:
    path = folder / "bot.sock"
    (call,) = re.findall(r"`driver\.(run\(path=.*?\))`", PAGE.prose)
    assert "server unix:/run/bot/bot.sock;" in PAGE.code("nginx", "unix:")
    write_bot(folder, **{"run()": call.replace("/run/bot/bot.sock", str(path))})
    async with running_bot(folder), Nginx(folder, tls, f"unix:{path}").serving() as nginx:
        assert await post(client, nginx.url("/my/"), tls=tls) == 200
        assert await answered_ping(client, nginx.url("/my/ws", "wss"), tls)


async def test_the_driver_serves_https_itself(
    tmp_path: Path, client: aiohttp.ClientSession, tls: Tls
) -> None:
    write_bot(tmp_path)
    port = free_port()
    (tmp_path / ".env").write_text(https_settings(port, tls))
    with Command(tmp_path, [sys.executable, "bot.py"]) as bot:
        await bot.shows(f"Listening on https://127.0.0.1:{port}")
        assert await post(client, f"https://127.0.0.1:{port}/my/", tls=tls) == 200
        assert await answered_ping(client, f"wss://127.0.0.1:{port}/my/ws", tls)


IN_NO_TIME = (
    "import runpy; from nonebot_aiohttp.hosts import certificates;"
    " certificates.LOOK_INTERVAL = 0.05; runpy.run_path('bot.py', run_name='__main__')"
)
"""A minute takes too long for a test."""


async def test_a_certificate_is_renewed_without_a_restart(tmp_path: Path) -> None:
    assert certificates.LOOK_INTERVAL == 60
    assert certificates.WARNED_BEFORE == 14 * 24 * 3600
    write_bot(tmp_path)
    live, port = RenewedFiles(tmp_path), free_port()
    (tmp_path / ".env").write_text(https_settings(port, live))
    with Command(tmp_path, [sys.executable, "-c", IN_NO_TIME]) as bot:
        await bot.shows(f"Listening on https://127.0.0.1:{port}")
        former = await asyncio.to_thread(shown_certificate, port, live.client)
        live.renew()
        await bot.shows("New connections get the new certificate")
        new = await asyncio.to_thread(shown_certificate, port, live.client)
    assert new["serialNumber"] != former["serialNumber"]


AS_PROCESS_1 = ("--user", "--map-root-user", "--pid", "--fork", "--kill-child")
NEEDS_UNSHARE = needs_program("unshare", *AS_PROCESS_1, "true")


def process_1(command: Command) -> psutil.Process:
    """Return the process that is number 1 in the namespace which ``unshare`` has made."""
    (child,) = psutil.Process(command.process.pid).children()
    return child


@NEEDS_UNSHARE
async def test_process_1_of_the_container_gets_sigterm(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    write_bot(tmp_path)
    (command,) = re.findall(r"^CMD (.*)$", FILES["Dockerfile"], re.MULTILINE)
    assert json.loads(command) == ["python", "bot.py"]
    async with running_bot(tmp_path, "unshare", *AS_PROCESS_1) as bot:
        port = await port_of(bot)
        assert await post(client, f"http://127.0.0.1:{port}/my/") == 200
        process_1(bot).send_signal(signal.SIGTERM)
        assert await bot.ended() == 0
    assert bot.output.splitlines()[-1].endswith("Stopped")


@NEEDS_UNSHARE
@pytest.mark.parametrize(
    ("line", "stops"), [("exec python bot.py", True), ("python bot.py", False)]
)
async def test_a_start_script_needs_exec(
    tmp_path: Path, client: aiohttp.ClientSession, line: str, stops: bool
) -> None:
    assert f"`{line}`" in PAGE.prose or not stops
    write_bot(tmp_path)
    script = line.replace("python", shlex.quote(sys.executable))
    (tmp_path / "start.sh").write_text(f"#!/bin/sh\n{script}\nexit $?\n")
    command = ["unshare", *AS_PROCESS_1, "sh", "start.sh"]
    with Command(tmp_path, command, HOST="127.0.0.1", PORT="0") as bot:
        port = await port_of(bot)
        process_1(bot).send_signal(signal.SIGTERM)
        if stops:
            assert await bot.ended() == 0
        else:
            assert await post(client, f"http://127.0.0.1:{port}/my/") == 200
            assert "Stopping" not in bot.output


async def test_gunicorn_shares_the_webhooks(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    write_bot(tmp_path)
    shared, alone = PAGE.code("sh", "gunicorn").splitlines()
    setting, *words = shlex.split(shared)
    port, (name, value) = free_port(), setting.split("=")
    words[words.index("127.0.0.1:8080")] = f"127.0.0.1:{port}"
    words = [word.replace("GunicornUVLoopWebWorker", "GunicornWebWorker") for word in words]
    beside = [sys.executable, *shlex.split(alone)[1:]]
    with (
        Command(tmp_path, [sys.executable, "-m", *words], **{name: value}) as workers,
        Command(tmp_path, beside) as other,
    ):
        await workers.shows(r"(?s)(Booting worker.*){4}")
        url = f"http://127.0.0.1:{port}/my/"
        statuses = await asyncio.gather(*(post(client, url) for _ in range(20)))
        assert set(statuses) == {200}
        await other.shows("Running without listening")
        for each in (workers, other):
            each.stop()
            assert await each.ended() == 0, each.output
