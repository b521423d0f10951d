"""The driver's own process: signals, ``exit()``, exit codes, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nonebot_aiohttp.life.tasks import EAGER
from tests.process.conftest import Launch
from tests.process.hosts import RUN, own_process
from tests.process.programs import PATIENCE, ROOT, Program
from tests.process.simulator import Platform
from tests.support.absent import needs
from tests.support.certs import Tls
from tests.support.ports import free_port
from tests.support.waiting import eventually, within

NOTHING_LEFT = ["run() returned", "left behind: []"]
LOOPS = ["asyncio", pytest.param("uvloop", marks=needs("uvloop"))]
FORCED = r"ERROR +nonebot_aiohttp.hosts.process: Forced to end by a second Ctrl\+C"
FAILED = r"ERROR +nonebot_aiohttp.life.failures: A handler of bot \S+ of platform failed"
CUT_OFF = r"ERROR +nonebot_aiohttp.life.tasks: Cut off 1 handler\(s\) of platform"


@pytest.mark.promise("life: exit() and both signals stop")
@pytest.mark.promise("life: only run() touches signals, and puts back what it found")
@pytest.mark.promise("life: exit codes are 0, 1 and 130")
@pytest.mark.promise("life: uvloop is used where it is installed, as a loop factory")
@pytest.mark.promise("life: after the stop no task, session or socket is left")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_first_signal(number: signal.Signals, loop: str, launch: Launch) -> None:
    program = launch(RUN, aiohttp_loop=loop)
    async with Platform(program.port) as platform:
        line = await platform.connect("7")
        program.stop(number)
        assert await line.close_code() == 1001
        assert await program.exit_code() == 0
    assert program.journal[-2:] == NOTHING_LEFT


@pytest.mark.promise("life: exit() and both signals stop")
@pytest.mark.parametrize("how", ["exit", "exit_from_thread"])
@pytest.mark.parametrize("loop", LOOPS)
async def test_exit_from_code(how: str, loop: str, launch: Launch) -> None:
    program = launch(RUN, aiohttp_loop=loop)
    async with Platform(program.port) as platform:
        assert await platform.post("7", do=how) == 200
        assert await program.exit_code() == 0
    assert program.journal[-2:] == NOTHING_LEFT


@pytest.mark.promise("life: a SIGINT a second after the first signal cuts off what runs")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("how", ["block", "block_at_once"])
async def test_second_signal_when_a_handler_blocks_the_loop(
    how: str, loop: str, launch: Launch
) -> None:
    program = launch(RUN, aiohttp_loop=loop)
    cut = [rf"{FAILED}|{CUT_OFF}", "^  Traceback", "^  ", "^  KeyboardInterrupt"]
    if how == "block_at_once" and EAGER:
        # The interrupt is raised in the eager task's caller, so that no task fails.
        cut = [CUT_OFF]
    async with Platform(program.port) as platform:
        await begin(program, platform, how)
        program.stop(signal.SIGTERM)
        await program.interrupt_again()
        assert await program.exit_code(FORCED, *cut) == 130
    assert program.journal[-1] == "left behind: []"


@pytest.mark.promise("life: a SIGINT a second after the first signal cuts off what runs")
@pytest.mark.parametrize("loop", LOOPS)
async def test_second_signal_when_a_handler_refuses_to_end(loop: str, launch: Launch) -> None:
    program = launch(RUN, aiohttp_loop=loop)
    async with Platform(program.port) as platform:
        await begin(program, platform, "hang_on")
        program.stop(signal.SIGINT)
        await program.logged("Waiting for 1 handler")
        await program.interrupt_again()
        # Not exit_code(), because asyncio itself logs such a handler.
        assert await program.ended() == 130
    assert re.search(CUT_OFF, program.log)


@pytest.mark.promise("life: a SIGINT a second after the first signal cuts off what runs")
@pytest.mark.promise("life: exit codes are 0, 1 and 130")
@pytest.mark.parametrize("loop", LOOPS)
async def test_second_signal_when_a_thread_never_ends(loop: str, launch: Launch) -> None:
    program = launch(RUN, aiohttp_loop=loop)
    async with Platform(program.port) as platform:
        await begin(program, platform, "block_thread")
        program.stop(signal.SIGINT)
        await program.logged("Waiting for 1 handler")
        await program.interrupt_again()
        began = time.monotonic()
        assert await program.exit_code(FORCED, CUT_OFF) == 130
        # A forced end takes a second, or more on a busy machine; the thread takes ten minutes.
        assert time.monotonic() - began < 10
    # The code after run() has run.
    assert program.journal[-1] == "left behind: []"
    assert len(re.findall(CUT_OFF, program.log)) == 1


@pytest.mark.promise("life: any other further signal is the same request to stop")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "echoes",
    [
        [signal.SIGINT, signal.SIGTERM],  # nb run
        [signal.SIGINT, signal.SIGINT],  # watchfiles
        [signal.SIGTERM, signal.SIGTERM],  # timeout, of coreutils
    ],
    ids=["int-term", "int-int", "term-term"],
)
async def test_one_request_to_stop_that_comes_twice(
    echoes: list[signal.Signals], loop: str, launch: Launch
) -> None:
    """Trap: at Ctrl+C the terminal signals the group, and `nb run` its child besides."""
    program = launch(RUN, aiohttp_loop=loop, work_seconds=0.5)
    async with Platform(program.port) as platform:
        await platform.connect("7")
        await platform.send("7", do="work", id=1)
        await program.noted("begun 1")
        await platform.send("7", do="go")
        for number in echoes:
            program.stop(number)
            time.sleep(0.005)  # noqa: ASYNC251 - as one process after the other signals
        assert await program.exit_code() == 0
    assert program.handled() == {"1": 1}
    assert program.journal[-2:] == NOTHING_LEFT
    assert re.search(
        r"Stopping, up to 20 s for what runs; Ctrl\+C again cuts it off$", program.log, re.M
    )
    assert re.search(r"INFO .*: Stopped$", program.log, re.M)


@pytest.mark.promise("life: any other further signal is the same request to stop")
@pytest.mark.parametrize("delay", [0.003, 0.01, 0.03, 0.1])
async def test_echo_that_comes_when_the_stop_has_ended(delay: float, launch: Launch) -> None:
    """Trap: an idle bot has stopped by then, and its process is about to end."""
    program = launch(RUN)
    await program.noted("started")
    program.stop(signal.SIGINT)
    time.sleep(delay)  # noqa: ASYNC251 - as one process after the other signals
    program.stop(signal.SIGTERM)
    assert await program.exit_code() == 0
    assert program.journal[-2:] == NOTHING_LEFT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
async def test_ctrl_c_while_a_handler_waits_for_a_pool_of_processes(launch: Launch) -> None:
    """Trap: the terminal signals the children, too, and the handler fails when they die."""
    program = launch(RUN)
    async with Platform(program.port) as platform:
        assert await platform.post("7", do="pool", id=1) == 200
        await program.noted("begun")
        program.press_ctrl_c()
        # Not exit_code(), because newer Pythons warn that the pool has a thread when it forks.
        assert await program.ended() == 0
    assert program.handled() == {"1": 1}


@pytest.mark.promise("life: one deadline bounds the whole stop")
@pytest.mark.parametrize("loop", LOOPS)
async def test_a_thread_that_never_ends_at_an_orderly_stop(loop: str, launch: Launch) -> None:
    program = launch(RUN, aiohttp_loop=loop, aiohttp_close_timeout=0.5)
    async with Platform(program.port) as platform:
        await begin(program, platform, "leave_thread")
        program.stop()
        named = r"Ended without thread\(s\) that had not ended: the endless one \(in threading"
        assert await program.exit_code(named) == 0
    assert program.journal[-2:] == NOTHING_LEFT


async def test_an_idle_worker_of_a_pool_does_not_delay_the_end(launch: Launch) -> None:
    program = launch(RUN, aiohttp_close_timeout=30)
    async with Platform(program.port) as platform:
        await begin(program, platform, "use_pool")
        program.stop()
        # A worker that is waited for would take the thirty seconds, and a log line would name it.
        assert await within(program.exit_code(), 20) == 0
    assert program.journal[-2:] == NOTHING_LEFT


async def test_a_startup_hook_that_hangs_keeps_no_time_from_the_shutdown_hooks(
    launch: Launch, tmp_path: Path
) -> None:
    program = launch(RUN, start_when=str(tmp_path / "never"), shutdown_seconds=1.5)
    await program.noted("startup")
    program.stop()
    assert await program.exit_code() == 0
    assert program.journal[-3:] == ["shutdown has taken its time", *NOTHING_LEFT]
    assert "shutdown of the second" in program.journal


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("loop", LOOPS)
async def test_forked_children_end_by_their_own_signals(loop: str, launch: Launch) -> None:
    """Trap: a forked child inherits handlers."""
    program = launch(RUN, aiohttp_loop=loop)
    async with Platform(program.port) as platform:
        assert await platform.post("7", do="fork") == 200
        await program.noted(f"children ended with { {-signal.SIGTERM.value} }")
        program.stop()
        assert await program.exit_code() == 0
    assert program.journal[-2:] == NOTHING_LEFT


@pytest.mark.skipif(os.name != "posix", reason="needs a Unix shell")
async def test_without_a_standard_error(tmp_path: Path) -> None:
    """Trap: `sys.stderr` can be None."""
    port, journal = free_port(), tmp_path / "journal"
    journal.touch()
    settings = {"BOT_SETTINGS": "{}", "BOT_JOURNAL": str(journal)}
    command = [sys.executable, "-m", *RUN.command(port)]
    process = subprocess.Popen(  # noqa: ASYNC220 - it is waited for below
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command], cwd=ROOT, env={**os.environ, **settings}
    )
    try:
        await eventually(lambda: "started" in journal.read_text(), PATIENCE, "the start")
        async with Platform(port) as platform:
            assert await platform.post("7", do="exit") == 200
        await eventually(lambda: process.poll() is not None, PATIENCE, "the end")
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert journal.read_text().splitlines()[-2:] == NOTHING_LEFT


async def begin(program: Program, platform: Platform, how: str) -> None:
    await platform.connect("7")
    await program.noted("connect 7")
    await platform.send("7", do=how)
    await program.noted("begun")


@pytest.mark.promise("life: a startup hook that fails undoes the start and ends the process")
async def test_startup_hook_that_raises(launch: Launch) -> None:
    program = launch(RUN, fail_startup=True)
    failed = r"ERROR .*: The startup hook tests\.process\.bots\.common\.\S+ failed"
    assert (
        await program.exit_code(failed, "^  Traceback", "^  ", "OSError: the database is away") == 1
    )
    assert program.journal == [
        "startup",
        "shutdown of the second",
        "shutdown of the first, session closed: False",
        "left behind: []",
    ]


@pytest.mark.promise("life: exit codes are 0, 1 and 130")
@pytest.mark.promise("data: an error names the setting that is wrong, and what to write instead")
async def test_wrong_setting(launch: Launch) -> None:
    program = launch(RUN, aiohttp_heartbeat="soon")
    named = (
        r"^nonebot_aiohttp\.exceptions\.ValidationError: aiohttp_heartbeat='soon' is not a number "
    )
    assert await program.exit_code("^Traceback", "^  ", named) == 1
    assert program.journal == []


async def test_unknown_level_of_the_log(launch: Launch) -> None:
    program = launch(RUN, log_level="loud")
    named = r"ERROR .*log_level: must be a name or a number of loguru's levels$"
    assert await program.exit_code(named) == 1
    assert program.journal == ["left behind: []"]


async def test_file_that_is_not_a_ca(launch: Launch, tls: Tls) -> None:
    program = launch(RUN, aiohttp_ssl_cafile=str(tls.key_file))
    named = r"ERROR .*aiohttp_ssl_cafile: cannot be used as a CA: "
    assert await program.exit_code(named) == 1
    assert program.journal == ["left behind: []"]


@pytest.mark.promise("life: uvloop is used where it is installed, as a loop factory")
@pytest.mark.parametrize(("loop", "code"), [("uvloop", 1), ("auto", 0)])
async def test_without_uvloop(loop: str, code: int, launch: Launch) -> None:
    program = launch(RUN, aiohttp_loop=loop, without_uvloop=True)
    if code == 0:
        async with Platform(program.port) as platform:
            assert await platform.post("7", do="exit") == 200
    named = r"ERROR .*aiohttp_loop: uvloop is not installed"
    assert await program.exit_code(*[named] * code) == code
    assert program.journal[-1] == "left behind: []"


@pytest.mark.promise("life: only run() touches signals, and puts back what it found")
async def test_outside_of_the_main_thread(launch: Launch) -> None:
    program = launch(own_process(port=0, in_thread=True))
    async with Platform(program.port) as platform:
        assert await platform.post("7", do="exit") == 200
        assert await program.exit_code() == 0
    assert program.journal[-2:] == NOTHING_LEFT
