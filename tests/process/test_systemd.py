"""The own process under systemd: what it is told, and the sockets that it gives."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.process.conftest import Launch
from tests.process.hosts import RUN, activated, own_process
from tests.process.observing import post
from tests.process.programs import PATIENCE, ROOT, PythonProcess
from tests.process.simulator import Platform
from tests.process.test_unix import is_there, mode_of
from tests.support.absent import needs
from tests.support.client import RawClient
from tests.support.systemd import Notified, notified
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is on Linux")

LOOPS = ["asyncio", pytest.param("uvloop", marks=needs("uvloop"))]
NOTHING_LEFT = ["run() returned", "left behind: []"]
PLACES = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
GIVEN = "systemd has opened the sockets, so HOST, PORT and path= are not used"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory whose path is short enough for a socket's address."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notified]:
    """Give the socket that programs of the test are to notify."""
    with notified() as made:
        monkeypatch.setenv("NOTIFY_SOCKET", made.address)
        yield made


@contextmanager
def held(*families: socket.AddressFamily, path: str = "") -> Iterator[list[socket.socket]]:
    """Open sockets as systemd does, and keep them open."""
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        for family in families:
            made = stack.enter_context(socket.socket(family))
            made.bind(PLACES.get(family, path))
            made.listen(4096)
            sockets.append(made)
        yield sockets


# Notifying


@pytest.mark.promise("operations: systemd learns when the bot is ready, what it does, and why not")
@pytest.mark.parametrize(
    ("abstract", "loop"),
    [(True, "asyncio"), pytest.param(False, "uvloop", marks=needs("uvloop"))],
    ids=["abstract", "path"],
)
async def test_tells_when_it_is_ready_and_when_it_stops(
    launch: Launch, folder: Path, loop: str, abstract: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_start = folder / "may start"
    with notified(None if abstract else folder) as told:
        monkeypatch.setenv("NOTIFY_SOCKET", told.address)
        program = launch(RUN, aiohttp_loop=loop, start_when=str(may_start), work_seconds=0)
        await program.noted("startup")
        assert told.read() == ["STATUS=Starting"]
        may_start.touch()
        await told.has("READY=1")
        async with Platform(program.port) as platform:
            await platform.connect("7")
            await told.has("STATUS=1 bot connected, 0 events in flight")
            await platform.send("7", do="work", id=1)
            await told.has("STATUS=1 bot connected, 1 event in flight")
            program.stop()
            await told.has("STATUS=Stopping, 1 bot connected, 1 event in flight")
            await platform.send("7", do="go")
            assert await program.exit_code() == 0
        assert program.journal[-2:] == NOTHING_LEFT
        fields = told.read()
        assert fields[:3] == ["STATUS=Starting", "READY=1", fields[2]]
        at = fields.index("STOPPING=1")
        assert fields[at : at + 2] == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=36000000"]
        assert not any(field.startswith("WATCHDOG") for field in fields)


async def test_without_listening_it_is_ready_too(launch: Launch, told: Notified) -> None:
    program = launch(own_process(listen=False))
    await told.has("READY=1")
    await program.logged("Running without listening")
    program.stop()
    assert await program.exit_code() == 0
    assert told.count("STOPPING=1") == 1


@pytest.mark.promise("operations: systemd restarts a bot whose event loop is blocked")
@pytest.mark.parametrize("loop", LOOPS)
async def test_a_blocked_loop_does_not_feed_the_watchdog(
    launch: Launch, told: Notified, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    program = launch(RUN, aiohttp_loop=loop)
    await told.has("READY=1")
    await told.has("WATCHDOG=1", times=4)
    async with await RawClient.connect(program.port) as client:
        assert (await post(client, RUN, b'{"do": "block"}')).status == 200
        await program.noted("begun")
        assert await told.stays_silent(1.0)
    program.kill()


async def test_a_slow_startup_feeds_the_watchdog_as_well(
    launch: Launch, told: Notified, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    program = launch(RUN, start_when=str(folder / "never"))
    await told.has("WATCHDOG=1", times=4)
    assert not told.count("READY=1")
    program.stop()
    assert await program.exit_code() == 0
    assert told.count("STOPPING=1") == 1


async def test_another_process_is_watched_by_its_own_watchdog(
    launch: Launch, told: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    program = launch(RUN)
    await told.has("READY=1")
    program.stop()
    assert await program.exit_code() == 0
    assert not told.count("WATCHDOG=1")


async def test_a_failed_start_tells_why(launch: Launch, told: Notified) -> None:
    program = launch(RUN, fail_startup=True)
    assert await program.ended() == 1
    assert told.read()[-1] == (
        "STATUS=Cannot start: The startup hook tests.process.bots.common._note_hooks.<locals>.start"
        " failed: OSError: the database is away"
    )
    assert not told.count("READY=1")


async def test_a_wrong_setting_tells_why(launch: Launch, told: Notified) -> None:
    program = launch(RUN, log_level="LOUD")
    assert await program.ended() == 1
    (field,) = told.read()
    assert field.startswith("STATUS=Cannot start: log_level: must be")


async def test_a_socket_that_is_gone_is_one_line_and_the_bot_goes_on(
    launch: Launch, told: Notified
) -> None:
    program = launch(RUN)
    await told.has("READY=1")
    told.close()
    program.stop()
    assert await program.ended() == 0
    (line,) = re.findall("WARNING.*", program.log)
    assert "systemd cannot be notified by NOTIFY_SOCKET: Connection refused" in line


# Sockets


@pytest.mark.promise("operations: run() serves on the sockets that systemd has opened")
@pytest.mark.parametrize("loop", LOOPS)
async def test_serves_on_all_sockets_but_those_for_operators(
    launch: Launch, folder: Path, loop: str
) -> None:
    path, own = str(folder / "given.sock"), str(folder / "own.sock")
    families = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_INET
    with held(*families, path=path) as sockets:
        os.chmod(path, 0o640)
        names = dict(zip(("bot.socket", "six", "file", "operations"), sockets, strict=True))
        program = launch(activated(names, path=own, port=1), aiohttp_loop=loop)
        await eventually(lambda: program.log.count("Listening on") == 3, PATIENCE, "listening")
        assert GIVEN in program.log
        four, six, _, operations = (each.getsockname() for each in sockets)
        for connecting in (
            RawClient.connect(four[1]),
            RawClient.connect(six[1], "::1"),
            RawClient.connect_unix(path),
        ):
            async with await connecting as client:
                assert (await post(client, RUN, b'{"do": "note", "id": 1}')).status == 200
        assert f"server: Listening on http://127.0.0.1:{operations[1]}" not in program.log
        async with await RawClient.connect(operations[1]) as client:
            assert (await post(client, RUN, b"{}")).status in (404, 421)
        program.stop()
        assert await program.exit_code() == 0
        assert program.journal[-2:] == NOTHING_LEFT
        assert mode_of(path) == 0o640
        assert not is_there(own)


async def test_a_socket_of_the_code_wins(launch: Launch) -> None:
    with held(socket.AF_INET) as sockets:
        program = launch(activated({"bot.socket": sockets[0]}, sock=True))
        await program.logged("Listening on")
        assert program.port != sockets[0].getsockname()[1]
        assert GIVEN not in program.log
        program.stop()
        assert await program.exit_code() == 0


async def test_a_process_that_does_not_listen_says_that_nobody_serves(launch: Launch) -> None:
    with held(socket.AF_INET) as sockets:
        program = launch(activated({"bot.socket": sockets[0]}, listen=False))
        await program.logged("Running without listening")
        program.stop()
        assert await program.ended() == 0
    (line,) = re.findall("WARNING.*", program.log)
    assert "systemd has opened sockets, but run(listen=False) serves none" in line


async def test_a_datagram_socket_fails_the_start(launch: Launch, told: Notified) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.bind(("127.0.0.1", 0))
        program = launch(activated({"bot.socket": datagram}))
        assert await program.ended() == 1
    text = (
        "The descriptor 3 of systemd (bot.socket) is not a stream socket: write ListenStream= into"
        " its unit"
    )
    assert text in program.log
    assert told.read()[-1] == f"STATUS=Cannot start: {text}"


class Load:
    """Senders of webhooks, each on a connection of its own.

    Attributes:
        answers: How many answers of each status have come.
    """

    def __init__(self, port: int) -> None:
        self.answers: Counter[int] = Counter()
        self._url = f"http://127.0.0.1:{port}/platform"
        self._senders = [asyncio.ensure_future(self._send()) for _ in range(30)]

    async def _send(self) -> None:
        headers = {"X-Self-ID": "7", "Connection": "close"}
        async with aiohttp.ClientSession(headers=headers) as client:
            while True:
                async with client.post(self._url, data='{"do": "note", "id": 1}') as response:
                    self.answers[response.status] += 1

    def goes_on(self) -> bool:
        """Whether no sender has failed; it raises what has failed."""
        return not any(each.result() for each in self._senders if each.done())

    async def has_answers(self, count: int) -> None:
        """Wait until more webhooks have been answered well."""
        enough = self.answers[200] + count
        await eventually(lambda: self.goes_on() and self.answers[200] >= enough, PATIENCE, "load")

    async def end(self) -> None:
        """End the senders."""
        for each in self._senders:
            each.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)


@pytest.mark.promise("operations: while the bot restarts no connection is refused")
@pytest.mark.parametrize("loop", LOOPS)
async def test_a_restart_under_load_refuses_no_connection(launch: Launch, loop: str) -> None:
    """Nor is a request refused, but for one that needs longer than a tenth of a second."""
    with held(socket.AF_INET) as sockets:
        load = Load(sockets[0].getsockname()[1])
        try:
            for _ in range(3):
                program = launch(activated({"bot.socket": sockets[0]}), aiohttp_loop=loop)
                await load.has_answers(300)
                program.stop()
                assert await program.ended() == 0
                assert "ERROR" not in program.log
                assert load.goes_on()
        finally:
            await load.end()
    print(load.answers)
    assert {*load.answers} <= {200, 503}
    assert load.answers[503] <= 3


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate is not here"
)
@pytest.mark.parametrize("loop", LOOPS)
async def test_systemds_own_program_can_start_it(folder: Path, loop: str) -> None:
    path = str(folder / "bot.sock")
    code = (
        "from types import SimpleNamespace as Named\n"
        "from tests.process.bots.common import make_driver\n"
        f"make_driver({{'aiohttp_loop': {loop!r}}}, print).run()\n"
    )
    (folder / "bot.py").write_text(code, "utf-8")
    command = ["systemd-socket-activate", "-E", f"PYTHONPATH={ROOT}", "-l", path]
    command += [sys.executable, "-X", "dev", "-W", "error", str(folder / "bot.py")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            command, cwd=folder, stdout=output, stderr=output
        )
    try:
        await eventually(lambda: is_there(path), PATIENCE, "the socket")
        async with await RawClient.connect_unix(path) as client:
            client.patience = PATIENCE
            assert (await post(client, RUN, b'{"do": "exit"}')).status == 200
        await eventually(lambda: process.poll() is not None, PATIENCE, "the end")
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_text("utf-8")
    assert f"Listening on http://unix:{path}" in log.read_text("utf-8")
    assert is_there(path)


async def test_what_comes_after_run_has_no_sockets_of_systemd(launch: Launch) -> None:
    """They are closed with the first ``run()``."""
    code = (
        "import asyncio\n"
        "from tests.process.bots.common import driver_of_test\n"
        "driver = driver_of_test()\n"
        "driver.on_startup(lambda: asyncio.get_running_loop().call_later(0.1, driver.exit))\n"
        "driver.run()\n"
        "asyncio.run(driver.serve(started=print))\n"
        "driver.run()\n"
    )
    with held(socket.AF_INET) as sockets:
        given = activated({"bot.socket": sockets[0]})
        program = launch(replace(given, arguments=(*given.arguments[:3], "-c", code)))
        assert await program.exit_code() == 0
        port = sockets[0].getsockname()[1]
    first, *others = re.findall(r"Listening on http://127.0.0.1:(\d+)", program.log)
    assert first == str(port)
    assert len(others) == 2
    assert first not in others
    assert program.log.count(GIVEN) == 1


# Hosts that systemd does not start


async def test_serve_leaves_systemd_to_its_program(
    tmp_path: Path, told: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a part of a program, which alone knows when all of it is ready."""
    code = (
        "import asyncio, os\n"
        "from tests.process.bots.common import make_driver\n"
        "driver = make_driver({}, print)\n"
        "started = lambda _: (print('NOTIFY_SOCKET' in os.environ), driver.exit())\n"
        "asyncio.run(driver.serve(started=started))\n"
    )
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    process = PythonProcess(tmp_path, ["-W", "error", "-c", code], {})
    assert await process.ended() == 0
    process.output_matching("True")
    assert told.read() == []
