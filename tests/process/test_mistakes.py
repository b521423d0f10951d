"""Mistakes of a first program: what its process says, at whose line, and how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process.programs import PATIENCE, ROOT
from tests.support import absent

HEAD = """\
import asyncio
import sys
from types import SimpleNamespace

from nonebot_aiohttp import Bot, Driver, HTTPPollingSetup, WebSocketSetup

class MyBot(Bot):
    type = "my"

    @classmethod
    async def check_permission(cls, driver, request):
        return "1", None

    async def handle_message(self, message):
        pass

    async def _call_api(self, api, **data):
        pass

    async def send(self, event, message, **kwargs):
        pass

def make_driver(adapter="my", **settings):
    config = SimpleNamespace(host="127.0.0.1", port=0, **settings)
    driver = Driver(SimpleNamespace(environment="test"), config)
    if adapter:
        driver.register_adapter(adapter, MyBot)
    return driver

"""


@dataclass(frozen=True)
class Ended:
    """A program that has ended: its exit code and what it has written to stderr."""

    code: int
    log: str

    @property
    def raised(self) -> str:
        """The last line of the traceback of an error of the package."""
        return str(re.findall(r"^nonebot_aiohttp\.exceptions\..*", self.log, re.MULTILINE)[-1])

    @property
    def frames_of_ours(self) -> int:
        """How many lines of a traceback are in the package."""
        return len(re.findall(r'^  File ".*nonebot_aiohttp/', self.log, re.MULTILINE))

    def lines(self, level: str) -> list[str]:
        """The lines of a level."""
        return [line for line in self.log.splitlines() if re.search(rf"\b{level}\b", line)]


def ran(directory: Path, program: str, *arguments: str) -> Ended:
    """Run a program until its end, with all warnings as errors."""
    path = directory / "my_bot.py"
    path.write_text(HEAD + program, encoding="utf-8")
    command = [sys.executable, "-X", "dev", "-W", "error", *(arguments or (str(path),))]
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ended.returncode, ended.stderr)


# A loop that runs already

IN_A_LOOP = """
async def main():
    make_driver().run()

asyncio.run(main())
"""


@pytest.mark.promise("life: run() in a running event loop says to await serve() instead")
def test_run_in_a_running_loop_says_what_to_write(tmp_path: Path) -> None:
    """Trap: 40 lines, and a coroutine that was never awaited."""
    ended = ran(tmp_path, IN_A_LOOP)
    assert ended.code == 1
    assert ended.raised.endswith(
        "LifecycleError: run() makes an event loop of its own, but one runs here already: write"
        " `await driver.serve()` instead"
    )
    assert "never awaited" not in ended.log
    assert ended.frames_of_ours == 1
    assert "the direct cause" not in ended.log
    assert "During handling" not in ended.log


# Starts that fail


@pytest.mark.promise("life: a failed start is one line, or the user's part of a traceback")
def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    program = """
import socket
with socket.create_server(("127.0.0.1", 0)) as taken:
    make_driver(log_level="ERROR").run(port=taken.getsockname()[1])
"""
    ended = ran(tmp_path, program)
    assert ended.code == 1
    (line,) = ended.lines("ERROR")
    assert re.search(r"Cannot listen on 127\.0\.0\.1 port \d+: ", line)
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("adder", ["setup_websocket", "setup_http_polling"])
def test_a_setup_that_can_never_work_is_one_line(tmp_path: Path, adder: str) -> None:
    program = f"""
driver = make_driver()
websocket = WebSocketSetup("my", "1", "127.0.0.1:6700")
polling = HTTPPollingSetup("my", "1", "127.0.0.1:6700", "GET", b"", {{}}, "1.1", 1.0)
driver.{adder}(websocket if "{adder}" == "setup_websocket" else polling)
driver.run()
"""
    ended = ran(tmp_path, program)
    assert ended.code == 1
    (line,) = ended.lines("ERROR")
    assert "of bot 1 of my can never work: its URL 127.0.0.1:6700 must have " in line
    assert line.endswith("://127.0.0.1:6700?")
    assert "Traceback" not in ended.log


def test_a_coroutine_in_the_place_of_its_function_is_an_error_at_that_line(tmp_path: Path) -> None:
    program = """
async def conn():
    return WebSocketSetup("my", "1", "ws://127.0.0.1:6700")

driver = make_driver()
driver.setup_websocket(conn())
driver.run()
"""
    ended = ran(tmp_path, program)
    assert ended.code == 1
    assert ended.raised.endswith(
        "SetupError: setup_websocket() calls the function itself before each attempt: pass conn,"
        " not conn()"
    )
    assert "driver.setup_websocket(conn())" in ended.log
    assert "never awaited" not in ended.log
    assert ended.frames_of_ours == 1


@pytest.mark.promise("forward: the session names where it may be used, before and after the run")
def test_the_session_before_the_start_is_an_error_at_that_line(tmp_path: Path) -> None:
    ended = ran(tmp_path, "driver = make_driver()\nprint(driver.session)\n")
    assert ended.code == 1
    assert ended.raised.endswith(
        "LifecycleError: driver.session does not exist before the driver starts: use it in a"
        " startup hook, in a handler or later"
    )
    assert "print(driver.session)" in ended.log
    assert ended.frames_of_ours == 1


FAILING_HOOK = """
driver = make_driver()

@driver.on_startup
async def read_token():
    raise ValueError("there is no token")

"""


UVICORN = "import uvicorn; uvicorn.run(driver.asgi, port=0)"


@pytest.mark.parametrize("host", ["driver.run()", UVICORN])
def test_a_startup_hook_that_fails_shows_the_users_lines_alone(tmp_path: Path, host: str) -> None:
    ended = ran(tmp_path, FAILING_HOOK + host)
    assert ended.code != 0
    assert ended.log.count("Traceback") == 1
    first, *others = ended.log.partition("Traceback (most recent call last):\n")[2].splitlines()
    assert re.search(r'my_bot\.py", line \d+, in read_token$', first)
    assert "  ValueError: there is no token" in others
    assert "nonebot_aiohttp/" not in ended.log
    assert "The startup hook __main__.read_token failed" in ended.log


# Drivers that never run

NEVER = "has never run: end the program with driver.run()"


@pytest.mark.promise("life: a program that makes a driver and never runs it says so")
def test_a_driver_that_is_never_run_is_said_at_the_end(tmp_path: Path) -> None:
    ended = ran(tmp_path, "config = SimpleNamespace()\nDriver(config, config)\n")
    assert ended.code == 1
    program = "driver = make_driver()\nprint('done')\n"
    ended = ran(tmp_path, program)
    assert ended.code == 0
    (line,) = ended.lines("WARNING")
    number = HEAD[: HEAD.index("driver = Driver(")].count("\n") + 1
    assert line.endswith(f"The driver that was made at my_bot.py:{number} {NEVER}")


@pytest.mark.parametrize(
    "program",
    [
        "driver.on_startup(driver.exit)\ndriver.run()",
        "driver.on_startup(driver.exit)\nasyncio.run(driver.serve())",
        "async def main():\n    async with driver.lifespan():\n        pass\nasyncio.run(main())",
        "app = driver.server_app",
        "app = driver.asgi",
        "from aiohttp import web\ndriver.attach(web.Application())",
        "raise SystemExit(0)",
        "sys.exit('no token')",
        "raise ValueError('no token')",
        "import os\nif not os.fork():\n    driver.asgi\nos.wait()\ndriver.asgi",
    ],
)
def test_nothing_is_said_of_a_driver_that_is_used_or_of_a_program_that_was_ended(
    tmp_path: Path, program: str
) -> None:
    assert NEVER not in ran(tmp_path, f"driver = make_driver()\n{program}\n").log


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import my_bot"),
        ("-c", "from my_bot import Driver, SimpleNamespace as N; Driver(N(environment='x'), N())"),
        ("-i", "my_bot.py"),
    ],
)
def test_nothing_is_said_of_a_driver_that_an_importing_or_interactive_program_has_made(
    tmp_path: Path, arguments: tuple[str, str]
) -> None:
    ended = ran(tmp_path, "driver = make_driver()\n", *arguments)
    assert ended.code == 0
    assert NEVER not in ended.log


@pytest.mark.promise("life: a start without an adapter is a warning, under every host")
@pytest.mark.parametrize(
    "host",
    [
        "driver.run()",
        "driver.run(listen=False)",
        "asyncio.run(driver.serve())",
        UVICORN,
        "from aiohttp import web; web.run_app(driver.server_app, port=0)",
    ],
)
def test_a_start_without_an_adapter_is_one_warning(tmp_path: Path, host: str) -> None:
    program = f"""
import os
import signal

driver = make_driver(adapter="")
config = SimpleNamespace(host="127.0.0.1", port=0)
tasks = []
driver.on_startup(lambda: tasks.append(asyncio.ensure_future(stop())))

async def stop():
    while not driver._lifespan.takes_events:
        await asyncio.sleep(0)
    if "serve()" in {host!r}:
        driver.exit()
    else:
        os.kill(os.getpid(), signal.SIGTERM)

{host}
"""
    ended = ran(tmp_path, program)
    warnings = [line for line in ended.lines("WARNING") if "No adapter" in line]
    assert len(warnings) == 1, ended.log
    assert warnings[0].endswith(
        "No adapter is registered, so no event reaches a bot: call driver.register_adapter(name,"
        " MyBot) before the start"
    )


# A loop that is blocked

BLOCKING = """
import os
import signal
import subprocess
import time

class Slow(MyBot):
    async def handle_message(self, message):
        work()

def work():
    {work}

async def main():
    driver = make_driver("", aiohttp_loop={loop!r}, debug={debug})
    driver.register_adapter("slow", Slow)
    tasks = []

    async def post(port):
        await driver.session.post(f"http://127.0.0.1:{{port}}/slow/", data=b"event")
        driver.exit()

    def started(addresses):
        tasks.append(asyncio.ensure_future(post(addresses[0][1])))

    await driver.serve(started=started)
    await tasks[0]

if {loop!r} == "uvloop":
    import uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
"""
SUSPENDED = """
    # Another process wakes this one up.
    waker = f"import os, signal, time; time.sleep(1.5); os.kill({os.getpid()}, signal.SIGCONT)"
    subprocess.Popen([sys.executable, "-c", waker])
    os.kill(os.getpid(), signal.SIGSTOP)
"""
SLOW_EXPRESSION = """
    import re
    for length in range(18, 60):
        began = time.monotonic()
        re.match("(a+)+$", "a" * length + "b")
        if time.monotonic() - began > 1:
            return
"""


def blocking(directory: Path, work: str, loop: str = "asyncio", debug: bool = True) -> Ended:
    program = BLOCKING.format(work=work.strip(), loop=loop, debug=debug)
    return ran(directory, program)


@pytest.mark.promise("life: with DEBUG=true the log names the line that blocks the loop")
@pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=absent.needs("uvloop"))])
def test_a_handler_that_blocks_the_loop_is_named_with_its_line(tmp_path: Path, loop: str) -> None:
    ended = blocking(tmp_path, "time.sleep(1.5)", loop)
    assert ended.code == 0, ended.log
    first, last = ended.lines("WARNING")
    number = (HEAD + BLOCKING).partition("{work}")[0].count("\n") + 1
    assert re.search(
        rf"The event loop has been blocked for (0\.[5-9]|1\.\d) s at my_bot\.py:{number} in work:"
        r" await what waits, such as asyncio\.sleep\(\), or run it in a thread by"
        r" asyncio\.to_thread\(\)$",
        first,
    )
    assert re.search(
        rf"The event loop was blocked for 1\.\d s at my_bot\.py:{number} in work$", last
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no clock of a thread")
def test_code_that_lets_no_other_thread_run_is_named(tmp_path: Path) -> None:
    ended = blocking(tmp_path, SLOW_EXPRESSION)
    assert ended.code == 0, ended.log
    first, last = ended.lines("WARNING")
    assert re.search(r"has been blocked for \d+\.\d s at my_bot\.py:\d+ in work: await", first)
    assert re.search(r"was blocked for \d+\.\d s at my_bot\.py:\d+ in work$", last)


def test_a_blocked_loop_is_not_watched_without_debug(tmp_path: Path) -> None:
    ended = blocking(tmp_path, "time.sleep(1.5)", debug=False)
    assert ended.code == 0, ended.log
    assert ended.lines("WARNING") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows suspends no process")
def test_a_process_that_was_suspended_is_not_blocked(tmp_path: Path) -> None:
    ended = blocking(tmp_path, SUSPENDED)
    assert ended.code == 0, ended.log
    assert "blocked" not in ended.log
