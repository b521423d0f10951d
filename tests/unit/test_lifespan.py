"""The order of starting and of stopping, and what holds when either goes wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import LifecycleError, StartupError
from nonebot_aiohttp.life import lifespan
from nonebot_aiohttp.life.deadline import SLICE
from tests.support.clock import FakeClock
from tests.support.logs import Logs
from tests.support.parts import Parts
from tests.support.waiting import eventually, settle, within

STARTED = ["session open", "startup", "loops start"]
STOPPED = [
    "loops stop intake",
    "sockets close 1001 the bot stops",
    "loops stop",
    "shutdown",
    "session close",
]


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def fail() -> None:
    raise ValueError("wrong")


async def started(**settings: Any) -> Parts:
    parts = Parts(**settings)
    await parts.lifespan.start()
    return parts


# Start


@pytest.mark.promise("life: session, startup hooks, accepting, forward loops: in this order")
async def test_everything_starts_and_stops_in_its_order() -> None:
    """Trap: forward loops started, and events were handled, before the startup hooks had ended."""
    parts = Parts()
    assert parts.lifespan.is_idle
    await parts.lifespan.start()
    assert parts.order == STARTED
    await parts.lifespan.stop()
    assert parts.order == STARTED + STOPPED
    assert parts.lifespan.is_idle


async def test_nothing_is_taken_in_before_the_startup_hooks_have_ended() -> None:
    parts, ready = Parts(), asyncio.Event()
    parts.during["startup"] = ready.wait
    starting = asyncio.ensure_future(parts.lifespan.start())
    await settle()
    assert parts.order == STARTED[:2]
    assert not parts.lifespan.takes_events
    with pytest.raises(LifecycleError, match="while it is starting"):
        await parts.lifespan.start()
    ready.set()
    await within(starting)
    assert parts.order == STARTED
    with pytest.raises(LifecycleError, match="while it is running"):
        await parts.lifespan.start()
    await parts.lifespan.stop()


async def test_hooks_run_in_order_and_those_of_the_shutdown_in_reverse() -> None:
    """Trap: hooks were an unordered set under gather."""
    parts = Parts()

    def register(name: str) -> None:
        parts.order.append(f"start {name}")
        parts.lifespan.on_shutdown(lambda: parts.order.append(f"stop {name}"))

    parts.lifespan.on_startup(lambda: register("a"))
    # A hook may add another, which is run too.
    parts.lifespan.on_startup(lambda: parts.lifespan.on_startup(lambda: register("c")))
    parts.lifespan.on_startup(lambda: register("b"))
    await parts.lifespan.start()
    assert parts.order == [*STARTED[:2], "start a", "start b", "start c", "loops start"]
    parts.order.clear()
    await parts.lifespan.stop()
    assert parts.order[3:] == ["stop c", "stop b", "stop a", "shutdown", "session close"]


async def test_a_startup_hook_that_fails_stops_the_start() -> None:
    """Trap: a startup failure must exit (NoneBot 2.3.0)."""
    parts = Parts()
    parts.lifespan.on_startup(fail)
    parts.lifespan.on_startup(lambda: parts.order.append("never"))
    with pytest.raises(StartupError, match=r"tests.unit.test_lifespan.fail failed") as raised:
        await parts.lifespan.start()
    assert isinstance(raised.value.__cause__, ValueError)
    assert parts.order == ["session open", "startup", "shutdown", "session close"]
    assert parts.lifespan.is_idle


async def test_a_session_that_does_not_open_stops_the_start_before_any_hook() -> None:
    parts = Parts()
    parts.during["session open"] = fail
    with pytest.raises(ValueError, match="wrong"):
        await parts.lifespan.start()
    assert parts.order == ["session open", "session close"]
    assert parts.lifespan.is_idle


async def test_a_start_that_is_cancelled_closes_what_was_open() -> None:
    parts = Parts()
    parts.during["startup"] = never
    starting = asyncio.ensure_future(parts.lifespan.start())
    await eventually(lambda: "startup" in parts.order)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert parts.order == ["session open", "startup", "shutdown", "session close"]
    assert parts.lifespan.is_idle


async def test_handlers_that_a_failed_start_leaves_are_cut_off(logs: Logs) -> None:
    parts = Parts(close_timeout=0.5)

    def start_handlers() -> None:
        parts.handlers.start(parts.handle("handler", asyncio.Event()), "onebot")
        parts.hooks.start(parts.handle("hook", asyncio.Event()), "onebot")

    parts.lifespan.on_startup(start_handlers)
    parts.lifespan.on_startup(fail)
    with pytest.raises(StartupError):
        await within(parts.lifespan.start())
    assert parts.order[-3:] == ["handler cut off", "hook cut off", "session close"]
    assert logs.messages("ERROR") == [
        "Cut off 1 handler(s) of onebot that had not ended",
        "Cut off 1 hook(s) of onebot that had not ended",
    ]


# Stop


async def test_it_starts_again_after_a_stop_and_after_a_failed_start() -> None:
    parts = Parts()
    parts.during["startup"] = fail
    with pytest.raises(StartupError):
        await parts.lifespan.start()
    del parts.during["startup"]
    for _ in range(2):
        parts.order.clear()
        await parts.lifespan.start()
        await parts.lifespan.stop()
        assert parts.order == STARTED + STOPPED


async def test_stopping_what_does_not_run_does_nothing() -> None:
    parts = Parts()
    await parts.lifespan.stop()
    assert parts.order == []


async def test_a_second_stop_waits_for_the_end_of_the_first() -> None:
    parts, released = await started(), asyncio.Event()
    parts.handlers.start(parts.handle("handler", released), "onebot")
    stops = [asyncio.ensure_future(parts.lifespan.stop()) for _ in range(3)]
    await settle()
    assert not any(stop.done() for stop in stops)
    # The stop goes on when a task that waits for it is cancelled.
    stops[2].cancel()
    await settle()
    released.set()
    await within(asyncio.gather(*stops[:2]))
    assert stops[2].cancelled()
    assert parts.order == [*STARTED, STOPPED[0], "handler ended", *STOPPED[1:]]


@pytest.mark.promise("life: the drain waits for handlers while the sockets work")
async def test_handlers_end_while_their_sockets_still_work(logs: Logs) -> None:
    """Trap: an acknowledged event was lost at the shutdown."""
    parts, released = await started(), asyncio.Event()
    parts.handlers.start(parts.handle("handler", released), "onebot")
    stopping = asyncio.ensure_future(parts.lifespan.stop())
    await settle()
    assert parts.order[3:] == STOPPED[:1]
    assert logs.messages("INFO") == ["Waiting for 1 handler(s) in flight"]
    released.set()
    await within(stopping)
    assert parts.order[3:] == [STOPPED[0], "handler ended", *STOPPED[1:]]


async def test_what_is_read_last_is_drained_too() -> None:
    parts, released = await started(), asyncio.Event()

    async def read() -> None:
        parts.handlers.start(parts.handle("polled", released), "onebot")
        asyncio.get_running_loop().call_soon(released.set)

    parts.during["loops stop intake"] = read
    await within(parts.lifespan.stop())
    assert parts.order[3:5] == [STOPPED[0], "polled ended"]


async def test_frames_that_come_after_the_stop_prolong_nothing(logs: Logs) -> None:
    """Trap: the shutdown waited for every task in the loop."""
    parts, released = await started(), asyncio.Event()
    parts.handlers.start(parts.handle("early", released), "onebot")
    stopping = asyncio.ensure_future(parts.lifespan.stop())
    await settle()
    parts.handlers.start(parts.handle("late", asyncio.Event()), "onebot")
    released.set()
    await within(stopping)
    assert parts.order[3:7] == [STOPPED[0], "early ended", "late cut off", STOPPED[1]]
    assert logs.messages("ERROR") == []
    late = "Cut off 1 handler(s) of onebot that came after the stop began"
    assert logs.messages("WARNING") == [late]


async def test_at_the_deadline_the_rest_is_cut_off_and_logged(logs: Logs) -> None:
    """Trap: hang at shutdown (nonebot2#1654)."""
    parts = await started(drain_timeout=0.01)
    for owner in ("onebot", "telegram", "onebot"):
        parts.handlers.start(parts.handle("handler", asyncio.Event()), owner)
    await within(parts.lifespan.stop())
    assert parts.order[3:] == [STOPPED[0], *["handler cut off"] * 3, *STOPPED[1:]]
    assert logs.messages("ERROR") == [
        "Cut off 2 handler(s) of onebot that had not ended",
        "Cut off 1 handler(s) of telegram that had not ended",
    ]


@pytest.mark.promise("life: disconnect hooks run within the deadline")
async def test_disconnect_hooks_leave_slices_to_the_shutdown_hooks(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the hooks run functions: one for that of the parts, and four for the other."""
    drained: list[float] = []

    async def drain(timeout: float) -> None:
        drained.append(timeout)

    parts = Parts(20, fake_clock.clock)
    monkeypatch.setattr(parts.hooks, "drain", drain)
    parts.during["loops stop"] = lambda: fake_clock.advance(6)
    parts.lifespan.on_shutdown(lambda: None, lambda: 4)
    await parts.lifespan.start()
    await parts.lifespan.stop()
    # The second time for those that a shutdown hook has started.
    assert drained == [30 - 5 * SLICE, 30]


async def test_a_shutdown_hook_leaves_slices_to_those_behind_it(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    async def end_within(coroutine: Any, seconds: float, *_: Any) -> None:
        given.append(seconds)
        await coroutine

    monkeypatch.setattr(lifespan, "end_within", end_within)
    parts = Parts(20, fake_clock.clock)
    parts.lifespan.on_shutdown(lambda: None, lambda: 4)
    parts.lifespan.on_shutdown(lambda: None)
    await parts.lifespan.start()
    await parts.lifespan.stop()
    # Behind the one that runs first are the four functions of the other, and what the parts have.
    assert given[:3] == [30 - 5 * SLICE, 30 - SLICE, 30]


@pytest.mark.parametrize(
    ("starts", "order"),
    [
        ("loops stop", ["loops stop", "disconnect hook ended", "shutdown", "session close"]),
        # An adapter that keeps connections of its own disconnects its bots in its shutdown hook.
        ("shutdown", ["loops stop", "shutdown", "disconnect hook ended", "session close"]),
    ],
)
async def test_disconnect_hooks_end_before_what_comes_next(starts: str, order: list[str]) -> None:
    parts, released = await started(), asyncio.Event()

    async def disconnect() -> None:
        parts.hooks.start(parts.handle("disconnect hook", released), "onebot")
        asyncio.get_running_loop().call_soon(released.set)

    parts.during[starts] = disconnect
    await within(parts.lifespan.stop())
    assert parts.order[-4:] == order


async def test_disconnect_hooks_that_do_not_end_are_cut_off_before_the_shutdown_hooks_run() -> None:
    parts = await started(drain_timeout=0, close_timeout=0.5)
    parts.hooks.start(parts.handle("disconnect hook", asyncio.Event()), "onebot")
    await within(parts.lifespan.stop())
    assert parts.order[-3:] == ["disconnect hook cut off", "shutdown", "session close"]


async def test_a_shutdown_hook_that_fails_stops_nobody(logs: Logs) -> None:
    parts = Parts()
    parts.lifespan.on_shutdown(fail)
    await parts.lifespan.start()
    await parts.lifespan.stop()
    assert parts.order == STARTED + STOPPED
    assert logs.matching("The shutdown hook tests.unit.test_lifespan.fail failed", "ERROR")


async def test_a_stop_that_is_cancelled_waits_for_no_handler_but_stops_everything() -> None:
    parts = await started()
    parts.handlers.start(parts.handle("handler", asyncio.Event()), "onebot")
    stopping = asyncio.ensure_future(parts.lifespan.stop())
    waiting = asyncio.ensure_future(parts.lifespan.stop())
    await settle()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(stopping)
    await within(waiting)
    assert parts.order == [*STARTED, STOPPED[0], "handler cut off", *STOPPED[1:]]
    assert parts.lifespan.is_idle


@pytest.mark.parametrize("step", STOPPED[1:])
async def test_whatever_breaks_the_stop_it_ends_and_lets_nobody_wait(step: str) -> None:
    parts = await started()
    parts.during[step] = never
    stopping = asyncio.ensure_future(parts.lifespan.stop())
    waiting = asyncio.ensure_future(parts.lifespan.stop())
    await eventually(lambda: step in parts.order)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(stopping)
    await within(waiting)
    assert parts.order[-1] == "session close"
    assert parts.lifespan.is_idle


async def test_a_forced_end_logs_what_it_cuts_off(logs: Logs) -> None:
    parts, released = await started(), asyncio.Event()
    parts.handlers.start(parts.handle("handler", released), "onebot")
    parts.hooks.start(parts.handle("hook", released), "telegram")
    parts.lifespan.cut_off()
    assert logs.messages("ERROR") == [
        "Cut off 1 handler(s) of onebot that had not ended",
        "Cut off 1 hook(s) of telegram that had not ended",
    ]
    released.set()
    await parts.lifespan.stop()
