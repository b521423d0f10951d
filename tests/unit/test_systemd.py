"""What systemd puts into the environment, and what it is told."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from nonebot_aiohttp import StartupError
from nonebot_aiohttp.hosts import systemd
from nonebot_aiohttp.hosts.listening import url_of
from nonebot_aiohttp.hosts.systemd import GivenSockets, Systemd, given_descriptors, watchdog_pause
from tests.support.logs import Logs
from tests.support.systemd import notified

posix = pytest.mark.skipif(os.name != "posix", reason="systemd is on Linux")
linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract addresses are Linux's")


# The environment


@pytest.mark.parametrize(
    ("environment", "given"),
    [
        ({}, {}),
        ({"LISTEN_FDS": "1"}, {}),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "8"}, {}),
        ({"LISTEN_FDS": "none", "LISTEN_PID": "7"}, {}),
        ({"LISTEN_FDS": "0", "LISTEN_PID": "7"}, {}),
        ({"LISTEN_FDS": "2", "LISTEN_PID": "7"}, {3: "unknown", 4: "unknown"}),
        ({"LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:b"}, {3: "a", 4: "b"}),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:b"}, {3: "unknown"}),
    ],
)
def test_descriptors_are_those_of_this_process(
    environment: Mapping[str, str], given: Mapping[int, str]
) -> None:
    assert given_descriptors(environment, 7) == given


@pytest.mark.parametrize(
    ("environment", "pause"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    environment: Mapping[str, str], pause: float | None
) -> None:
    assert watchdog_pause(environment, 7) == pause


@posix
def test_child_processes_inherit_nothing_and_a_second_run_may_notify(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "5000000"}
    given = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "a"}
    read, write = os.pipe()
    monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", read)
    for name, value in (mine | given).items():
        monkeypatch.setenv(name, value)
    os.set_inheritable(read, True)
    with systemd.supervision(lambda: (0, 0)) as supervised:
        assert not {*mine, *given} & {*os.environ}
        assert supervised.sockets.for_public
        assert not os.get_inheritable(read)
    os.close(read)
    os.close(write)
    assert {name: os.environ.get(name) for name in mine | given} == {
        **mine,
        **dict.fromkeys(given),
    }


@posix
def test_what_another_process_was_given_stays_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    with systemd.supervision(lambda: (0, 0)) as supervised:
        assert not supervised.sockets.for_public
        assert os.environ["LISTEN_FDS"] == "1"


# The sockets


@posix
def test_sockets_are_handed_out_once_and_by_their_names() -> None:
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    numbers = [each.detach() for each in made]
    given = GivenSockets(dict(zip(numbers, ("bot@1.socket", "operations", "x"), strict=True)))
    assert given.for_public
    with ExitStack() as stack:
        public = [stack.enter_context(each) for each in given.public()]
        (operations,) = given.named("operations")
        stack.enter_context(operations)
        assert [each.fileno() for each in public] == [numbers[0], numbers[2]]
        assert operations.fileno() == numbers[1]
        assert {each.gettimeout() for each in public} == {0.0}
    assert given.public() == given.named("operations") == []
    assert not GivenSockets({3: "operations"}).for_public


def closed() -> int:
    return 1_000_000


def pipe() -> int:
    read, write = os.pipe()
    os.close(write)
    return read


def datagram() -> int:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()


def connection() -> int:
    one, other = socket.socketpair()
    other.close()
    return one.detach()


NO_SOCKET = r"is not a socket \(.+\): write only ListenStream= into its unit"


@posix
@pytest.mark.parametrize(
    ("make", "text"),
    [
        (closed, NO_SOCKET),
        (pipe, NO_SOCKET),
        (datagram, "is not a stream socket: write ListenStream= into its unit"),
        (connection, "does not listen: remove Accept=yes from its unit"),
    ],
)
def test_what_cannot_be_listened_on_fails_the_start_and_says_what_to_write(
    make: Callable[[], int], text: str
) -> None:
    number, listening = make(), socket.create_server(("127.0.0.1", 0)).detach()
    given = GivenSockets({listening: "good", number: "bot\n.socket"})
    with pytest.raises(
        StartupError, match=rf"descriptor {number} of systemd \(bot .socket\) {text}"
    ):
        given.public()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(listening)
    if make is pipe:
        os.close(number)


@linux
def test_an_abstract_address_is_shown_as_systemd_writes_it() -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0abstract-{os.getpid()}")
        assert url_of(listening, None) == f"http://unix:@abstract-{os.getpid()}"


# What systemd is told


@posix
async def test_only_what_has_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "LOOK_PAUSE", 0.01)
    counts: list[tuple[int, int | None]] = [(1, 2)]
    with tempfile.TemporaryDirectory() as folder, notified(Path(folder)) as told:
        said = Systemd({"NOTIFY_SOCKET": told.address}, counts=lambda: counts[-1])
        said.starting()
        said.ready()
        await told.has("STATUS=1 bot connected, 2 events in flight")
        assert await told.stays_silent(0.1)
        counts.append((0, 1))
        await told.has("STATUS=0 bots connected, 1 event in flight")
        counts.append((3, None))
        await told.has("STATUS=3 bots connected")
        said.stopping(31.0)
        await told.has("STATUS=Stopping, 3 bots connected")
        said.close()
        assert await told.stays_silent(0.1)
    assert told.fields == [
        "STATUS=Starting",
        "READY=1",
        "STATUS=1 bot connected, 2 events in flight",
        "STATUS=0 bots connected, 1 event in flight",
        "STATUS=3 bots connected",
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=36000000",
        "STATUS=Stopping, 3 bots connected",
    ]


@posix
async def test_what_a_busy_systemd_could_not_take_is_told_later(
    monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    monkeypatch.setattr(systemd, "RETRY_PAUSE", 0.01)
    with tempfile.TemporaryDirectory() as folder, notified(Path(folder)) as told:
        said = Systemd({"NOTIFY_SOCKET": told.address})
        said.starting()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, ExitStack() as full:
            other.setblocking(False)
            full.enter_context(pytest.raises(BlockingIOError))
            while True:
                other.sendto(b"OTHER=1", told.address)
        said.ready()
        await told.has("READY=1")
        assert told.count("STATUS=0 bots connected, 0 events in flight") == 1
        said.close()
    assert logs == []


@posix
async def test_a_socket_that_is_gone_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    monkeypatch.setattr(systemd, "RETRY_PAUSE", 0.01)
    with tempfile.TemporaryDirectory() as folder:
        said = Systemd({"NOTIFY_SOCKET": f"{folder}/gone", "WATCHDOG_USEC": "20000"})
        said.starting()
        said.ready()
        await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.1)
        said.stopping(1.0)
        said.failed(StartupError("no"))
        said.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    (line,) = logs
    assert "systemd cannot be notified by NOTIFY_SOCKET: No such file" in str(line)


@posix
def test_why_a_start_has_failed_is_one_line_without_secrets() -> None:
    with tempfile.TemporaryDirectory() as folder, notified(Path(folder)) as told:
        said = Systemd({"NOTIFY_SOCKET": told.address})
        error = StartupError("The startup hook bot.connect failed")
        error.__cause__ = ConnectionError("no answer\nfrom https://x.example/?token=abcdef0123")
        said.failed(error)
        said.close()
        (field,) = told.read()
    assert field.startswith(
        "STATUS=Cannot start: The startup hook bot.connect failed: ConnectionError: no answer from"
        " https://x.example/"
    )
    assert "abcdef" not in field


@pytest.mark.parametrize("address", ["", "vsock:2:1234"])
async def test_without_a_socket_that_it_knows_nothing_happens(address: str) -> None:
    said = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"})
    said.starting()
    said.ready()
    said.stopping(1.0)
    said.failed(StartupError("no"))
    said.close()
