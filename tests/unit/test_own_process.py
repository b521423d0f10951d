"""The own process where the system gives it less than usual, and what it makes of an error."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import StartupError, ValidationError
from nonebot_aiohttp.connections import descriptors
from nonebot_aiohttp.hosts import exit as leaving
from nonebot_aiohttp.hosts import library_loggers, listening, process, signals

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such limits and signals")


# The event loop


def test_without_uvloop_the_loop_is_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = process.loop_factory("auto")()
    loop.close()
    assert type(loop).__module__.startswith("asyncio")
    with pytest.raises(ValidationError, match=r'aiohttp_loop: .* "nonebot-aiohttp\[speedups\]"'):
        process.loop_factory("uvloop")


# The exit code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(), 0),
        (SystemExit(3), 3),
        (SystemExit("a text, which Python shows"), 1),
        (ValueError("wrong"), 1),
        (KeyboardInterrupt(), 1),
    ],
)
def test_the_exit_code_is_what_python_makes_of_the_error(error: BaseException, code: int) -> None:
    assert process._exit_code(error) == code


def test_flushing_passes_over_streams_that_fail_or_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flushed: list[str] = []

    def fail() -> None:
        flushed.append("stdout")
        raise OSError("the reader has gone")

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(flush=fail))
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(logging, "shutdown", lambda: flushed.append("logging"))
    leaving._flush()
    assert flushed == ["logging", "stdout"]


# Addresses


def failing_socket(*, on: str, code: int) -> type[socket.socket]:
    """Make a class of sockets of which one step fails."""

    class Failing(socket.socket):
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            if on == "socket":
                raise OSError(code, os.strerror(code))
            super().__init__(socket.AF_INET, socket.SOCK_STREAM)

        def setsockopt(self, *_: Any) -> None:
            """Take options of any address family."""

        def bind(self, _: Any) -> None:
            raise OSError(code, os.strerror(code))

    return Failing


@pytest.mark.parametrize(
    ("on", "code"), [("socket", errno.EAFNOSUPPORT), ("bind", errno.EADDRNOTAVAIL)]
)
def test_addresses_of_a_family_that_the_machine_lacks_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, on: str, code: int
) -> None:
    found = [(int(socket.AF_INET6), ("::1", 0, 0, 0))]
    monkeypatch.setattr(listening, "resolve", lambda *_: found)
    monkeypatch.setattr(
        "nonebot_aiohttp.hosts.listening.socket.socket", failing_socket(on=on, code=code)
    )
    with pytest.raises(StartupError, match="none of its addresses is on this machine"):
        listening.listen("localhost", 0)


def test_an_address_of_another_machine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = failing_socket(on="bind", code=errno.EADDRNOTAVAIL)
    monkeypatch.setattr("nonebot_aiohttp.hosts.listening.socket.socket", sockets)
    with pytest.raises(StartupError, match=r"Cannot listen on 192\.0\.2\.1 port 80: "):
        listening.listen("192.0.2.1", 80)


@posix
def test_a_mode_that_is_not_a_number_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    mode: Any = "0660"
    with pytest.raises(ValidationError, match="mode: must be a number such as 0o660"):
        listening.listen_unix(tmp_path / "bot.sock", mode)
    assert list(tmp_path.iterdir()) == []


# File descriptors


@posix
def test_a_limit_that_may_not_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = descriptors.resource.getrlimit(descriptors.resource.RLIMIT_NOFILE)

    def forbid(_: int, wanted: tuple[int, int]) -> None:
        raise OSError(errno.EPERM, f"{wanted} is forbidden here")

    monkeypatch.setattr(descriptors.resource, "setrlimit", forbid)
    monkeypatch.setattr(descriptors, "MAX_LIMIT", limits[0] + 1)
    with descriptors.raised_limit():
        assert descriptors.resource.getrlimit(descriptors.resource.RLIMIT_NOFILE) == limits


@posix
def test_where_linux_does_not_tell_how_many_descriptors_there_are_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(descriptors, "_size", lambda: 0)
    assert descriptors.count_in_use() == descriptors._list()


def test_where_descriptors_cannot_be_counted_their_number_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> int:
        raise FileNotFoundError("/dev/fd")

    monkeypatch.setattr(descriptors, "_size", fail)
    monkeypatch.setattr(descriptors, "_list", fail)
    assert descriptors.count_in_use() is None
    watch = descriptors.DescriptorWatch()
    watch._count()
    assert watch.in_use is None


@posix
def test_descriptors_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = descriptors.resource
    infinite = (resource.RLIM_INFINITY,) * 2
    monkeypatch.setattr(resource, "getrlimit", lambda _: infinite)
    assert descriptors.limit() is None
    # As on Windows.
    monkeypatch.setattr(descriptors, "resource", None)
    assert descriptors.limit() is None
    descriptors.DescriptorWatch()._count()


# Loggers of libraries


def raised_at(place: int) -> Any:
    """Raise an error at one of two places; give what `logging` makes of it."""
    try:
        if place:
            raise ValueError("here")
        raise ValueError("there")
    except ValueError:
        return sys.exc_info()


def test_errors_of_each_place_are_a_kind_of_their_own() -> None:
    limited = library_loggers.Limited()

    def passes(place: int) -> bool:
        record = logging.LogRecord("name", logging.ERROR, "", 0, "text", (), raised_at(place))
        return bool(limited.filter(record))

    assert [passes(place) for place in (0, 0, 1, 1, 0)] == [True, False, True, False, False]


# Signals in forked children


@posix
def test_a_forked_child_ends_at_the_second_interrupt_that_is_not_an_echo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[Any] = []
    now = 1000.0
    monkeypatch.setattr("nonebot_aiohttp.hosts.signals.time.monotonic", lambda: now)
    monkeypatch.setattr(
        "nonebot_aiohttp.hosts.signals.signal.signal", lambda *given: happened.append(given)
    )
    monkeypatch.setattr("nonebot_aiohttp.hosts.signals.signal.raise_signal", happened.append)
    interrupt = signals._ChildsInterrupt(signal.SIG_DFL)
    for _ in range(2):
        interrupt(signal.SIGINT, None)
    assert happened == []
    now += signals.FORCING_PAUSE
    interrupt(signal.SIGINT, None)
    assert happened == [(signal.SIGINT, signal.SIG_DFL), signal.SIGINT]
