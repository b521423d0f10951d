"""File descriptors of the own process: the limit, and what is said when none is left."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.test_signals import LOOPS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

PROGRAM = """
import asyncio, resource, socket, sys
from types import SimpleNamespace
from nonebot_aiohttp import Driver

LIMIT = resource.RLIMIT_NOFILE
soft, hard, loop = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
resource.setrlimit(LIMIT, (soft, hard))
config = SimpleNamespace(host="127.0.0.1", port=0, aiohttp_loop=loop)
driver = Driver(SimpleNamespace(environment="test"), config)

async def crowd():
    # Its own descriptors count, too: half of the connections are enough.
    streams = []
    with listening() as port:
        try:
            while True:
                streams.append(await asyncio.open_connection("127.0.0.1", port))
                await asyncio.sleep(0)
        except OSError:
            pass
        await asyncio.sleep(2.5)
        for _, writer in streams:
            writer.close()
    driver.exit()

@driver.on_startup
async def look():
    print("while it runs", *resource.getrlimit(LIMIT), flush=True)
    if len(sys.argv) > 4:
        global task
        task = asyncio.ensure_future(crowd())
    else:
        asyncio.get_running_loop().call_later(0.1, driver.exit)

class listening:
    def __enter__(self):
        return sock.getsockname()[1]
    def __exit__(self, *error):
        pass

sock = socket.create_server(("127.0.0.1", 0))
driver.run(sock=sock)
print("afterwards", *resource.getrlimit(LIMIT), flush=True)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program above."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )


@pytest.mark.parametrize(
    ("soft", "hard", "meanwhile"), [(200, 300, 300), (300, 300, 300)], ids=["raised", "high enough"]
)
def test_the_limit_is_raised_while_it_runs_and_put_back(
    soft: int, hard: int, meanwhile: int
) -> None:
    lines = run(str(soft), str(hard), "asyncio").stdout.splitlines()
    assert lines == [f"while it runs {meanwhile} {hard}", f"afterwards {soft} {hard}"]


@pytest.mark.parametrize("loop", LOOPS)
def test_that_none_is_left_is_said_and_said_once(loop: str) -> None:
    """Trap: asyncio logs thousands of tracebacks a second, and uvloop nothing."""
    done = run("64", "64", loop, "crowd")
    assert done.stderr.count("No file descriptor is left") == 1
    assert len(done.stderr.splitlines()) < 12
    assert "Traceback" not in done.stderr
