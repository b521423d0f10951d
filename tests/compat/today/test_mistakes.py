"""Mistakes of a first bot: what its process says, at whose line, and how it ends."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.documents import ROOT
from tests.support.ports import free_port

from ..support.choice import OURS

INIT = "import nonebot\nnonebot.init()\n"
ADAPTER = (
    "from nonebot.adapters.onebot.v11 import Adapter\n"
    "nonebot.get_driver().register_adapter(Adapter)\n"
)


@dataclass(frozen=True)
class Ended:
    """A bot that has ended: its exit code, and what it has written."""

    code: int
    log: str

    @property
    def last(self) -> str:
        """The last line."""
        return self.log.strip().splitlines()[-1]


def ran(directory: Path, program: str, driver: str = OURS, **environment: str) -> Ended:
    """Run a bot until its end."""
    path = directory / "bot.py"
    path.write_text(program, encoding="utf-8")
    settings = {"DRIVER": driver, "HOST": "127.0.0.1", "PORT": str(free_port()), **environment}
    places = os.pathsep.join([str(directory), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, str(path)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": places, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout)


# DRIVER

WRITE = "is the driver without NoneBot2: write DRIVER=nonebot_aiohttp.nonebot2"


@pytest.mark.promise("life: a DRIVER that names the package alone says what to write")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("nonebot_aiohttp", WRITE),
        ("nonebot_aiohttp:Driver", WRITE),
        ("nonebot_aiohttp.standalone", WRITE),
        ("~fastapi+nonebot_aiohttp", "write nonebot_aiohttp.nonebot2, as in DRIVER=~fastapi+"),
    ],
)
def test_a_driver_line_that_names_the_package_alone(tmp_path: Path, line: str, text: str) -> None:
    """Trap: `register_adapter() missing 1 required positional argument`."""
    ended = ran(tmp_path, INIT + ADAPTER, line)
    assert ended.code == 1
    assert text in ended.last
    assert "register_adapter" not in ended.log


def test_the_module_of_the_driver_is_the_driver_too(tmp_path: Path) -> None:
    program = f"{INIT}print(type(nonebot.get_driver()))\nnonebot.get_asgi()\n"
    ended = ran(tmp_path, program, f"{OURS}.driver")
    assert ended.code == 0
    assert ended.last == "<class 'nonebot_aiohttp.nonebot2.driver.Driver'>"


@pytest.mark.parametrize("line", [f"~{OURS}", "~nonebot_aiohttp"])
def test_a_tilde_is_nonebots_own_error(tmp_path: Path, line: str) -> None:
    """NoneBot looks for it among its own drivers, so nothing of this package is imported."""
    ended = ran(tmp_path, INIT, line)
    assert ended.code == 1
    assert "ModuleNotFoundError: No module named 'nonebot.drivers.nonebot_aiohttp'" in ended.last


# The start


def test_run_in_a_running_loop_says_what_to_write(tmp_path: Path) -> None:
    program = f"""{INIT}{ADAPTER}
import asyncio

async def main():
    nonebot.run()

asyncio.run(main())
"""
    ended = ran(tmp_path, program)
    assert ended.code == 1
    assert ended.last.endswith("write `await nonebot.get_driver().serve()` instead")
    assert "never awaited" not in ended.log


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_a_startup_function_that_fails_shows_the_users_lines_alone(
    tmp_path: Path, kind: str
) -> None:
    program = f"""{INIT}{ADAPTER}
@nonebot.get_driver().on_startup
{kind} read_token():
    raise ValueError("there is no token")

nonebot.run()
"""
    ended = ran(tmp_path, program)
    assert ended.code == 1
    assert ended.log.count("Traceback") == 1
    first, *others = ended.log.partition("Traceback (most recent call last):\n")[2].splitlines()
    assert re.search(r'bot\.py", line \d+, in read_token$', first)
    assert "  ValueError: there is no token" in others
    assert "site-packages" not in ended.log


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    program = f"""{INIT}{ADAPTER}
import socket
with socket.create_server(("127.0.0.1", 0)) as taken:
    nonebot.run(port=taken.getsockname()[1])
"""
    ended = ran(tmp_path, program)
    assert ended.code == 1
    assert re.search(r"Cannot listen on 127\.0\.0\.1 port \d+: ", ended.last)
    assert "Traceback" not in ended.log


NO_ADAPTER = (
    "No adapter is registered, so no event reaches the bot: call"
    " nonebot.get_driver().register_adapter(...) before nonebot.run()"
)
STOP = """
import asyncio

tasks = []

@nonebot.get_driver().on_startup
async def stop():
    tasks.append(asyncio.ensure_future(stop_when_running()))

async def stop_when_running():
    while not nonebot.get_driver()._host.lifespan.takes_events:
        await asyncio.sleep(0)
    nonebot.get_driver().exit()

nonebot.run()
"""


@pytest.mark.parametrize(("adapter", "count"), [("", 1), (ADAPTER, 0)])
def test_a_start_without_an_adapter_is_one_warning(
    tmp_path: Path, adapter: str, count: int
) -> None:
    ended = ran(tmp_path, INIT + adapter + STOP)
    assert ended.code == 0
    assert ended.log.count(NO_ADAPTER) == count, ended.log


# Arguments of uvicorn


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("reload=True", "no argument reload"),
        ("workers=2, reload=True", "no argument workers, reload"),
        ("log_level='info'", "no argument log_level"),
    ],
)
def test_an_argument_of_uvicorn_is_refused_with_what_to_write(
    tmp_path: Path, arguments: str, text: str
) -> None:
    ended = ran(tmp_path, f"{INIT}nonebot.run({arguments})\n")
    assert ended.code == 1
    assert f"TypeError: run() has {text}: it takes host, port, path, " in ended.last
    assert ("to reload write `nb run --reload`" in ended.last) == ("reload" in arguments)


# Drivers that never run

NEVER = "The driver that was made at bot.py:2 has never run: end the program with nonebot.run()"


@pytest.mark.parametrize("fastapi", ["false", "true"])
def test_a_driver_that_is_never_run_is_said_at_the_end(tmp_path: Path, fastapi: str) -> None:
    (tmp_path / ".env").write_text(f"AIOHTTP_FASTAPI={fastapi}\n", encoding="utf-8")
    ended = ran(tmp_path, INIT)
    assert ended.code == 0
    assert ended.last.endswith(NEVER)
    for use in ("get_app()", "get_asgi()", "get_driver().asgi", "get_driver().aiohttp_app"):
        assert NEVER not in ran(tmp_path, f"{INIT}app = nonebot.{use}\n").log


def test_nothing_is_said_of_another_servers_driver(tmp_path: Path) -> None:
    assert "has never run" not in ran(tmp_path, INIT, f"~fastapi+{OURS}").log


# A loop that is blocked

BLOCK = """
import asyncio
import time

tasks = []

@nonebot.get_driver().on_startup
async def begin():
    tasks.append(asyncio.ensure_future(block()))

async def block():
    while not nonebot.get_driver()._host.lifespan.takes_events:
        await asyncio.sleep(0)
    # The first heartbeat has to be answered before.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(1.5)
    nonebot.get_driver().exit()

nonebot.run()
"""


@pytest.mark.parametrize(("debug", "count"), [("true", 1), ("false", 0)])
def test_with_debug_the_line_that_blocks_the_loop_is_named(
    tmp_path: Path, debug: str, count: int
) -> None:
    (tmp_path / ".env").write_text(f"DEBUG={debug}\n", encoding="utf-8")
    program = INIT + ADAPTER + BLOCK
    ended = ran(tmp_path, program)
    assert ended.code == 0
    place = f"at bot.py:{program.partition('time.sleep')[0].count(chr(10)) + 1} in block"
    assert ended.log.count(f" s {place}: await what waits") == count, ended.log
    assert len(re.findall(rf"was blocked for 1\.\d s {place}$", ended.log, re.M)) == count
