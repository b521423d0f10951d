"""File descriptors: the limit, and the log lines when few or none are left."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.test_signals import LOOPS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

BEGIN = """
import asyncio, resource, socket, sys
from types import SimpleNamespace
import aiohttp
from aiohttp import web
from nonebot_aiohttp import Driver

soft, hard, loop = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
LIMIT = resource.RLIMIT_NOFILE
resource.setrlimit(LIMIT, (soft, hard))
config = SimpleNamespace(host="127.0.0.1", port=0, aiohttp_loop=loop, aiohttp_proxy=None)
driver = Driver(SimpleNamespace(environment="test"), config)
tasks = []

def run_while(working):
    sock = socket.create_server(("127.0.0.1", 0))

    async def work():
        await working(sock.getsockname()[1])
        driver.exit()

    driver.on_startup(lambda: tasks.append(asyncio.ensure_future(work())))
    driver.run(sock=sock)
"""

LOOK = """
async def look(port):
    print("while it runs", *resource.getrlimit(LIMIT), flush=True)
    await asyncio.sleep(0.1)

run_while(look)
print("afterwards", *resource.getrlimit(LIMIT), flush=True)
"""

CROWD = """
async def crowd(port):
    # Its own descriptors count, too: half of the connections are enough.
    streams = []
    try:
        while True:
            streams.append(await asyncio.open_connection("127.0.0.1", port))
            await asyncio.sleep(0)
    except OSError:
        pass
    await asyncio.sleep(2.5)
    for _, writer in streams:
        writer.close()

run_while(crowd)
"""


def run(program: str, *arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + program, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )


@pytest.mark.promise("strangers: the limit of open files is raised, and reaching it is logged once")
@pytest.mark.parametrize(
    ("soft", "hard", "meanwhile"), [(200, 300, 300), (300, 300, 300)], ids=["raised", "high enough"]
)
def test_the_limit_is_raised_while_it_runs_and_put_back(
    soft: int, hard: int, meanwhile: int
) -> None:
    lines = run(LOOK, str(soft), str(hard), "asyncio").stdout.splitlines()
    assert lines == [f"while it runs {meanwhile} {hard}", f"afterwards {soft} {hard}"]


@pytest.mark.promise("strangers: the limit of open files is raised, and reaching it is logged once")
@pytest.mark.parametrize("loop", LOOPS)
def test_running_out_of_descriptors_is_logged_once(loop: str) -> None:
    """Trap: asyncio logs thousands of tracebacks a second, and uvloop nothing."""
    done = run(CROWD, "64", "64", loop)
    assert done.stderr.count("No file descriptor is left") == 1
    assert len(done.stderr.splitlines()) < 12
    assert "Traceback" not in done.stderr


CALLS = """
host, count = sys.argv[4], int(sys.argv[5])
held = []

async def hold(reader, writer):
    # A platform that accepts and never answers.
    held.append(writer)

async def call(port):
    async with driver.session.get(f"http://127.0.0.1:{port}/"):
        pass

async def main(own_port):
    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    calls = [asyncio.ensure_future(call(silent.sockets[0].getsockname()[1])) for _ in range(count)]
    while len(held) < len(calls):
        await asyncio.sleep(0.05)
    try:
        url = f"http://127.0.0.1:{own_port}/"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            print("others are served", answer.status, flush=True)
    except OSError as error:
        print("others are not served", error, flush=True)
    await asyncio.sleep(6.5)
    for each in calls:
        each.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    for writer in held:
        writer.close()
    silent.close()

async def embedded():
    app = web.Application()
    driver.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await main(runner.addresses[0][1])
    await runner.cleanup()

run_while(main) if host == "own" else asyncio.run(embedded())
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_calls_that_hang_keep_nobody_out_of_the_own_process(loop: str) -> None:
    """Each call and the platform's end of it have a descriptor: far more than the soft limit."""
    done = run(CALLS, "256", "4096", loop, "own", "600", timeout=60)
    assert done.stdout.splitlines() == ["others are served 404"]
    assert "file descriptor" not in done.stderr


@pytest.mark.parametrize("host", ["own", "embedded"])
def test_one_warning_says_that_three_quarters_are_in_use(host: str) -> None:
    done = run(CALLS, "400", "400", "asyncio", host, "160", timeout=60)
    assert done.stdout.splitlines() == ["others are served 404"]
    assert done.stderr.count("Three quarters of the 400 file descriptors are in use") == 1
    assert "No file descriptor" not in done.stderr
