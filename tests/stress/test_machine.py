"""Sequences of calls of a driver - register, connect, disconnect, send, stop - in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stress.generated import many
from tests.stress.machine import DriverMachine
from tests.support.absent import needs

STEPS = 30


def _new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


LOOPS = [asyncio.new_event_loop, pytest.param(_new_uvloop, marks=needs("uvloop"))]


@pytest.mark.parametrize("new_loop", LOOPS)
def test_any_sequence_of_calls(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Trap: the late cleanup of an old connection evicts its successor (adapter-onebot#45)."""
    machine = type("Machine", (DriverMachine,), {"new_loop": staticmethod(new_loop)})
    run_state_machine_as_test(
        machine,
        settings=settings(many, stateful_step_count=STEPS),
    )
