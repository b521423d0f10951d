"""Which signal is a wish, and which one is its echo."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from nonebot_aiohttp.hosts import signals
from nonebot_aiohttp.hosts.signals import FORCING_PAUSE, signals_handled, stop_signals
from tests.support.clock import FakeClock

ALL = stop_signals()
OTHER = ALL[1]


@contextmanager
def handled(clock: FakeClock) -> Iterator[list[str]]:
    """Handle the signals, and write down what is asked for; sleeping takes no time."""
    asked: list[str] = []

    def sleep(seconds: float) -> None:
        asked.append("sleep")
        clock._now += seconds

    def stop() -> None:
        asked.append("stop")

    def force() -> None:
        asked.append("force")

    with signals_handled(stop, force, clock.clock, sleep) as handler:
        yield asked
    assert handler.forced is ("force" in asked)


@pytest.mark.parametrize("number", ALL)
def test_the_first_signal_stops(number: signal.Signals, fake_clock: FakeClock) -> None:
    with handled(fake_clock) as asked:
        signal.raise_signal(number)
        assert asked == ["stop"]


@pytest.mark.promise("life: any other further signal is the same request to stop")
@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize("second", ALL)
async def test_what_comes_within_a_second_is_the_same_wish(
    first: signal.Signals, second: signal.Signals, fake_clock: FakeClock
) -> None:
    """Trap: at Ctrl+C the terminal signals the group, and `nb run` its child besides."""
    with handled(fake_clock) as asked:
        signal.raise_signal(first)
        await fake_clock.advance(FORCING_PAUSE - 0.01)
        for _ in range(3):
            signal.raise_signal(second)
        assert asked == ["stop"]


@pytest.mark.promise("life: a SIGINT a second after the first signal cuts off what runs")
@pytest.mark.parametrize("first", ALL)
async def test_an_interrupt_after_a_second_forces_once(
    first: signal.Signals, fake_clock: FakeClock
) -> None:
    with handled(fake_clock) as asked:
        signal.raise_signal(first)
        await fake_clock.advance(FORCING_PAUSE)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        # A third one must not interrupt what the caller does at its end.
        signal.raise_signal(signal.SIGINT)
        assert asked == ["stop", "force"]


@pytest.mark.promise("life: any other further signal is the same request to stop")
async def test_no_other_signal_forces(fake_clock: FakeClock) -> None:
    with handled(fake_clock) as asked:
        signal.raise_signal(OTHER)
        await fake_clock.advance(60)
        signal.raise_signal(OTHER)
        assert asked == ["stop"]


def test_after_a_ctrl_c_its_echo_is_waited_for(fake_clock: FakeClock) -> None:
    """Trap: it would meet the handlers from before, and end the process at its end."""
    with handled(fake_clock) as asked:
        signal.raise_signal(signal.SIGINT)
        began = fake_clock.clock()
    assert fake_clock.clock() - began == pytest.approx(FORCING_PAUSE, abs=0.02)
    assert asked[:2] == ["stop", "sleep"]


@pytest.mark.parametrize("echo", ALL)
def test_an_echo_that_has_come_is_not_waited_for(
    echo: signal.Signals, fake_clock: FakeClock
) -> None:
    with handled(fake_clock) as asked:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(echo)
    assert asked == ["stop"]


def test_other_signals_are_not_expected_to_have_an_echo(fake_clock: FakeClock) -> None:
    with handled(fake_clock) as asked:
        signal.raise_signal(OTHER)
    assert asked == ["stop"]


async def test_a_stop_that_took_longer_waits_for_no_echo(fake_clock: FakeClock) -> None:
    with handled(fake_clock) as asked:
        signal.raise_signal(signal.SIGINT)
        await fake_clock.advance(FORCING_PAUSE)
    assert asked == ["stop"]


@pytest.mark.parametrize("number", ALL)
def test_what_was_there_is_put_back(number: signal.Signals, fake_clock: FakeClock) -> None:
    before = signal.getsignal(number)
    with handled(fake_clock):
        assert signal.getsignal(number) is not before
    assert signal.getsignal(number) is before


def test_on_windows_ctrl_break_stops(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: Windows has no SIGTERM that a handler gets, but SIGBREAK (NoneBot 2.0.0rc4)."""
    ctrl_break = getattr(signal, "SIGBREAK", None) or signal.SIGUSR1
    monkeypatch.setattr(signal, "SIGBREAK", ctrl_break, raising=False)
    monkeypatch.setattr(signals, "sys", SimpleNamespace(platform="win32"))
    assert stop_signals() == (signal.SIGINT, ctrl_break)
    with handled(fake_clock) as asked:
        signal.raise_signal(ctrl_break)
        assert asked == ["stop"]
