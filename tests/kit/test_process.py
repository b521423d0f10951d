"""The kit's bots in processes of their own: starts, ends, and what is left; without NoneBot2."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.bots.base import BadEnd, LeftBehind
from nonebot_aiohttp.testing.bots.leftovers import children_of
from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.bots.up import DidNotStart
from nonebot_aiohttp.testing.common.journal import NothingCame
from nonebot_aiohttp.testing.common.timeline import timeline
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

# Before a test begins to look for open sockets.
ports.claim()

SERVER = """
import asyncio, os, signal, subprocess, sys, time

kept = []

async def answer(reader, writer):
    line = await reader.readline()
    while (await reader.readline()).strip():
        pass
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    writer.close()

async def forever():
    await asyncio.Event().wait()

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await before()
    async with await asyncio.start_server(answer, os.environ["HOST"], int(os.environ["PORT"])):
        print("\\x1b[32mup\\x1b[0m", *sys.argv[1:])
        await stop.wait()
        await after()

async def before():
    pass

async def after():
    print("down")
"""
"""A bot of the smallest kind."""

RUN = "\nasyncio.run(main())\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a program goes."""
    return tmp_path / "bot.py"


def write(path: Path, program: str) -> None:
    path.write_text(program, "utf-8")


def bot(path: Path, more: str = "", **options: object) -> BotProcess:
    """Write a bot that changes some of the functions, and describe its process."""
    write(path, SERVER + more + RUN)
    return BotProcess(path, **options)  # type: ignore[arg-type]


async def test_it_is_up_within_the_block_and_has_ended_behind_it(path: Path) -> None:
    async with bot(path, arguments=["--one", "二"]) as running:
        assert running.exit_code is None
        assert running.is_running
        assert await running.logged("up") == "up --one 二"
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
    assert running.exit_code == 0
    assert running.text.splitlines() == ["up --one 二", "down"]


def test_it_runs_without_an_event_loop_in_the_test(path: Path) -> None:
    with bot(path) as running:
        assert running.url("/x") == f"http://127.0.0.1:{running.port}/x"
        assert running.ws_url("/x") == f"ws://127.0.0.1:{running.port}/x"
    assert running.exit_code == 0


async def test_the_timeline_has_its_log(path: Path) -> None:
    timeline.clear()
    async with bot(path):
        pass
    texts = [event.text for event in timeline.events if event.side == "bot"]
    assert texts == ["up", "down", "has ended with exit code 0"]


async def test_it_starts_again_on_its_port(path: Path) -> None:
    async with bot(path) as running:
        port, pid = running.port, running.pid
        assert await running.stop() == 0
        await asyncio.to_thread(running.start)
        assert (running.port, running.pid != pid) == (port, True)
        await running.logged("up", 2)
        with pytest.raises(RuntimeError, match="runs already"):
            running.launch()
    assert running.exit_code == 0


async def test_what_it_tells_comes_in_order_and_with_its_data(path: Path) -> None:
    more = """
from nonebot_aiohttp.testing import tell

async def before():
    sys.stdout.write("half a ")
    tell("handled", id=1, text="图")
    tell("other", what_else={"a": [None]}, odd=object)
    print("line")
    tell("handled", id=2)
    tell("long", text="x" * 100_000)
"""
    async with bot(path, more) as running:
        assert await running.told("handled", 2) == {"what": "handled", "id": 2}
        assert await running.told("handled") == {"what": "handled", "id": 1, "text": "图"}
        odd = "<class 'object'>"
        other = {"what": "other", "what_else": {"a": [None]}, "odd": odd}
        assert await running.told("other") == other
        assert len((await running.told("long"))["text"]) == 100_000
        assert [entry["id"] for entry in running.all_told("handled")] == [1, 2]
        names = [entry["what"] for entry in running.all_told()]
        assert names == ["handled", "other", "handled", "long"]
        assert await running.logged(re.compile("^half")) == "half a line"


async def test_a_wait_for_what_never_comes_fails_with_the_timeline(path: Path) -> None:
    async with bot(path) as running:
        with pytest.raises(NothingCame, match=r"(?s)line 1 of the log with 'never'.*up"):
            await running.logged("never", deadline=0.01)
        with pytest.raises(NothingCame, match=r"tell\('never'\) number 2"):
            await running.told("never", 2, deadline=0.01)
        with pytest.raises(NothingCame, match="the end of the bot"):
            await running.ended(0.01)


async def test_a_wait_fails_at_once_when_the_bot_has_ended(path: Path) -> None:
    async with bot(path) as running:
        waits = [
            asyncio.create_task(running.told("never", deadline=60)),
            asyncio.create_task(running.logged("never", deadline=60)),
        ]
        assert await running.stop() == 0
        for wait in waits:
            with pytest.raises(AssertionError, match=r"(?s)ended without .*never.*its log:\nup"):
                await wait


async def test_ctrl_c_ends_it_although_a_shell_runs_the_tests_in_its_background(path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        async with bot(path, allow_tracebacks=True) as running:
            running.interrupt()
            assert await running.ended() == -signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)


async def test_ctrl_c_reaches_the_children_too(path: Path) -> None:
    more = """
async def before():
    code = "import signal, time; signal.signal(2, lambda *_: exit())\\n"
    code += "print('child'); time.sleep(600)"
    kept.append(subprocess.Popen([sys.executable, "-c", code]))
"""
    # This program has a traceback of the KeyboardInterrupt, and does not wait for its child.
    async with bot(path, more, check_leaks=False, allow_tracebacks=True) as running:
        await running.logged("child")
        running.interrupt()
        assert await running.ended() == -signal.SIGINT
    assert children_of(running.pid) == []


async def test_a_program_that_a_server_imports(path: Path) -> None:
    write(path, "import sys\nsys.stderr.write('imported\\n')\n")
    more = "\nimport importlib\nimportlib.import_module(sys.argv[1])\n"
    write(path.with_name("a_server.py"), SERVER + more + RUN)
    async with BotProcess(path, command=["a_server", "{program}", "{host}:{port}"]) as running:
        assert await running.logged("up") == f"up bot 127.0.0.1:{running.port}"
        await running.logged("imported")


# Bad starts.


async def test_a_program_that_ends_at_once(path: Path) -> None:
    before = time.monotonic()
    with pytest.raises(DidNotStart, match=r"(?s)ended with exit code 3\n.*the reason"):
        async with bot(path, "\nprint('the reason')\nsys.exit(3)\n"):
            pytest.fail("it is not up")
    assert time.monotonic() - before < 30


async def test_a_program_that_hangs_at_its_start(path: Path) -> None:
    hangs = bot(path, "\nprint('begun')\nbefore = forever\n")
    starting = asyncio.create_task(asyncio.to_thread(hangs.start))
    await eventually(lambda: "begun" in hangs.text, 60)
    hangs.deadline = 0.1
    with pytest.raises(DidNotStart, match=r"(?s)not up: after 0\.1 s .* not answer at http.*begun"):
        await starting
    assert hangs.exit_code == -signal.SIGKILL


async def test_a_start_that_nobody_waits_for(path: Path) -> None:
    async with bot(path, "\nsys.exit(3)\n", wait=False) as ends:
        assert await ends.ended() == 3
    async with bot(path, wait=False) as starts:
        await starts.up()
        assert starts.is_running
    with pytest.raises(DidNotStart, match="exit code 3"):
        async with bot(path, "\nsys.exit(3)\n", wait=False) as ends:
            await ends.up()


def test_what_was_not_started_says_so(path: Path) -> None:
    running = bot(path)
    assert not running.is_running
    with pytest.raises(RuntimeError, match="was not started"):
        running.kill()


# Bad ends.


async def test_a_program_that_ignores_sigterm(path: Path) -> None:
    more = """
async def before():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print, "no")
"""
    with pytest.raises(BadEnd, match=r"(?s)had not ended 1 s after it was asked.*\| no") as raised:
        async with bot(path, more) as running:
            running.deadline = 1
    assert not isinstance(raised.value, LeftBehind)
    assert running.exit_code == -signal.SIGKILL


async def test_a_program_that_ends_by_itself(path: Path) -> None:
    more = """
async def after():
    sys.exit(5)
async def before():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, os._exit, 4)
"""
    running = bot(path, more)
    await asyncio.to_thread(running.start)
    os.kill(running.pid, signal.SIGUSR1)
    with pytest.raises(AssertionError, match="has ended without"):
        await running.logged("something")
    with pytest.raises(BadEnd, match="ended by itself, with exit code 4"):
        running.finish()
    with pytest.raises(BadEnd, match="ended with exit code 5 when it was stopped"):
        async with bot(path, more):
            pass
    async with bot(path, more) as running:
        running.signal(signal.SIGUSR1)
        assert await running.ended() == 4


async def test_a_traceback_during_the_stop(path: Path) -> None:
    more = """
import traceback
def fail():
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc()
async def before():
    fail()
async def after():
    fail()
"""
    with pytest.raises(BadEnd, match=r"(?s)logged a traceback during its stop.*Division"):
        async with bot(path, more):
            pass
    async with bot(path, more, allow_tracebacks=True) as running:
        pass
    assert running.text.count("Traceback") == 2
    async with bot(path, more.rpartition("fail()")[0] + "pass") as running:
        pass
    assert running.text.count("Traceback") == 1


# What is left behind.

LEAVES = """
import socket, aiohttp

async def fail():
    1 / 0

async def before():
    kept.append(asyncio.create_task(forever(), name="kept"))
    kept.append(asyncio.create_task(asyncio.wait_for(forever(), 600), name="wrapped"))
    kept.append(aiohttp.ClientSession())
    kept.append(socket.create_server(("127.0.0.1", 0)))
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    # Who keeps the log open is waited for.
    kept.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    asyncio.create_task(forever())
    asyncio.create_task(fail())
    aiohttp.ClientSession()
    socket.create_server(("127.0.0.1", 0))
    forever()
    await asyncio.sleep(0)
async def after():  # As uvicorn, which raises the signal again while the loop still runs.
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
"""

LEFT = (
    r"- a task that still runs after all shutdown hooks: kept, coroutine forever, .*bot\.py:\d+\n",
    r"- a task that still runs after all shutdown hooks: (?:wrapped|Task-\d+), coroutine forever, ",
    r"- an aiohttp\.ClientSession that nobody has closed\n",
    r"- an open socket, 127\.0\.0\.1:\d+\n",
    r"- a child process that still runs: \d+ .*time\.sleep",
    r"- the log says: Task was destroyed but it is pending!\n  task: .*forever",
    r"- the log says: Task exception was never retrieved\n",
    r"- the log says: .*ResourceWarning: Unclosed client session ",
    r"- the log says: .*ResourceWarning: unclosed <socket\.socket ",
    r"- the log says: .*RuntimeWarning: coroutine 'forever' was never awaited\n",
)
"""What is said about it."""


async def test_what_is_left_behind_fails_the_block(path: Path) -> None:
    with pytest.raises(LeftBehind) as raised:
        async with bot(path, LEAVES) as running:
            pass
    text = str(raised.value)
    assert [line for line in LEFT if not re.search(line, text)] == [], text
    assert text.count("- a task that still runs") == 2, text
    assert text.count("an aiohttp.ClientSession") == 1, text
    assert text.count("an open socket") == 1, text
    assert "PYTHONTRACEMALLOC" in text
    assert children_of(running.pid) == []


async def test_tracemalloc_tells_where_a_session_was_made(path: Path) -> None:
    place = r", made at\n(.*\n)*.*aiohttp\.ClientSession"
    if sys.version_info[:2] == (3, 11):  # Its tracemalloc does not find objects with a `__dict__`.
        place = r"\n"
    with pytest.raises(LeftBehind, match="nobody has closed" + place):
        async with bot(path, LEAVES, env={"PYTHONTRACEMALLOC": "5"}):
            pass


async def test_the_check_can_be_turned_off(path: Path) -> None:
    async with bot(path, LEAVES, check_leaks=False) as running:
        pass
    assert running.exit_code == -signal.SIGTERM
    assert children_of(running.pid) == []


async def test_what_is_left_by_the_first_of_two_runs(path: Path) -> None:
    async with bot(path, LEAVES) as running:
        await running.stop()
        with pytest.raises(LeftBehind, match="an open socket"):
            running.launch()
        running.kill()


async def test_what_a_program_ends_itself_is_not_left_behind(path: Path) -> None:
    more = """
import socket, aiohttp
async def before():
    kept.append(aiohttp.ClientSession())
    kept.append(asyncio.create_task(forever()))
    kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
    kept.append(socket.create_server(("127.0.0.1", 0)))
async def after():
    session, task, child, server = kept
    await session.close()
    task.cancel()
    child.kill()
    child.wait()
    server.close()
"""
    async with bot(path, more) as running:
        pass
    assert running.exit_code == 0


async def test_a_bot_that_was_killed_is_not_checked(path: Path) -> None:
    more = "\nasync def before():\n    kept.append(asyncio.create_task(forever()))\n"
    async with bot(path, more) as running:
        running.kill()
    assert running.exit_code == -signal.SIGKILL


async def test_the_failure_of_the_block_goes_first(path: Path) -> None:
    more = "\nasync def before():\n    kept.append(asyncio.create_task(forever()))\n"
    running = bot(path, more)
    with pytest.raises(KeyError, match="the test's"):
        async with running:
            raise KeyError("the test's")
    assert not running.is_running
