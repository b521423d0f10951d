"""``Lifespan``: the order of starting and of stopping, the same under every host.

It guards the promise that what was acknowledged is handled: nothing is taken in before the startup
hooks have ended, and nothing that handlers need is closed before they have ended or their time is
up.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from aiohttp import WSCloseCode

from ..exceptions import LifecycleError, StartupError
from ..log import logger
from .deadline import GRACE, Deadline
from .hooks import Hook, call_hook, call_hooks, hook_name
from .tasks import TaskSet
from .waiting import end_within


class State(enum.Enum):
    """Where a driver is in its life."""

    IDLE = "not started"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class OutboundPool(Protocol):
    """What everything outbound goes through."""

    async def open(self) -> None:
        """Make it usable."""

    async def close(self) -> None:
        """Close it and its connections."""


class Loops(Protocol):
    """What runs from the end of the startup until the stop on its own."""

    def start(self) -> None:
        """Start the loops."""

    async def stop_intake(self) -> None:
        """Stop polling and connecting; what is connected stays."""

    async def stop(self, deadline: Deadline) -> None:
        """Wait until all loops have ended, and cancel those that have not in time."""


class Sockets(Protocol):
    """The WebSockets that are open."""

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """Close all in time and wait until their readers have ended."""


class Work(Protocol):
    """The events in flight."""

    def in_work(self) -> str:
        """Say what is in work, for the log; empty if nothing is."""

    async def drain(self, timeout: float) -> None:
        """Wait for the events that are in work now; those that begin later prolong nothing."""

    async def cancel(self, grace: float) -> bool:
        """Cut off what still runs, log it, wait for its end; tell whether any was waited for."""

    def log_cut_off(self) -> None:
        """Log what is about to be cut off, unless that was logged."""

    def end_stop(self) -> None:
        """Log what was only counted of failures, and begin anew."""


class Watch(Protocol):
    """What looks after connections while the driver runs."""

    def start(self) -> None:
        """Begin to look."""

    def stop(self) -> None:
        """Look no more."""


async def end_work(work: Work, deadline: Deadline) -> None:
    """Cut off what still runs, within the grace of a stop.

    Args:
        work: What runs.
        deadline: That of the stop; hears whether anything was waited for in vain.
    """
    with deadline.grace() as grace:
        if await work.cancel(grace):
            deadline.all_ended = False


class Lifespan:
    """Starts and stops the parts of a driver in their order.

    Attributes:
        state: Where the driver is in its life.
        running: Whether events are taken in. Every request asks, several times: hence a plain
            value and no property.
        deadline: That of the stop under way, or of the last one.
    """

    def __init__(
        self,
        *,
        session: OutboundPool,
        loops: Loops,
        sockets: Sockets,
        work: Work,
        hooks: TaskSet,
        watches: Sequence[Watch] = (),
        drain_timeout: float,
        close_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts.

        Args:
            session: Open from before the startup hooks until after the shutdown hooks.
            loops: The forward loops.
            sockets: All WebSockets, both sides.
            work: The events in flight; drained before the sockets close.
            hooks: Tasks of connect and disconnect hooks; drained after.
            watches: Look after connections from the end of the startup hooks until the end.
            drain_timeout: Seconds that events in flight get at the stop.
            close_timeout: Seconds that hooks get at least, and seconds that peers get.
            clock: Monotonic seconds.
        """
        self._become(State.IDLE)
        self.deadline = Deadline(0, close_timeout, clock)
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []
        self._session = session
        self._loops = loops
        self._sockets = sockets
        self._work = work
        self._hooks = hooks
        self._watches = watches
        self._drain_timeout = drain_timeout
        self._close_timeout = close_timeout
        self._clock = clock
        self._stopped: asyncio.Future[None] | None = None

    def _become(self, state: State) -> None:
        self.state = state
        self.running = state is State.RUNNING

    def on_startup(self, hook: Hook) -> None:
        """Add a hook that runs at the start, after those that are there."""
        self._startup.append(hook)

    def on_shutdown(self, hook: Hook) -> None:
        """Add a hook that runs at the stop, before those that are there."""
        self._shutdown.append(hook)

    async def start(self) -> None:
        """Open the session, run the startup hooks, take in events, start the forward loops.

        Raises:
            LifecycleError: It is started already.
            ValidationError: The session cannot be made of the settings; no hook has run.
            StartupError: A startup hook failed; what had started is stopped again.
        """
        if self.state is not State.IDLE:
            raise LifecycleError(f"The driver cannot start while it is {self.state.value}")
        self._become(State.STARTING)
        try:
            await self._session.open()
        except BaseException:
            # Nothing has started that the shutdown hooks would have to end.
            await self._close_session(self._new_deadline(0))
            raise
        try:
            await self._run_startup_hooks()
        except BaseException:
            # Without time for events, for none was taken in.
            await self._close(self._new_deadline(0))
            raise
        self._become(State.RUNNING)
        for watch in self._watches:
            watch.start()
        self._loops.start()

    @property
    def start_grace(self) -> float:
        """Seconds that a start which is given up takes at most to undo what had started."""
        return 2 * self._close_timeout + GRACE

    async def stop(self) -> None:
        """Stop in order; a second call waits for the first one's end.

        Stop polling and accepting, drain the handlers, close the WebSockets with 1001, let the
        disconnect hooks end, run the shutdown hooks in reverse order, close the session.
        """
        if self.state is State.STOPPING and self._stopped is not None:
            await asyncio.shield(self._stopped)
        if self.state is not State.RUNNING:
            return
        self._become(State.STOPPING)
        self._stopped = asyncio.get_running_loop().create_future()
        deadline = self._new_deadline(self._drain_timeout)
        try:
            await self._stop_taking_in(deadline)
        finally:
            try:
                await self._close(deadline)
            finally:
                self._stopped.set_result(None)
                self._stopped = None

    def _new_deadline(self, drain_timeout: float) -> Deadline:
        self.deadline = Deadline(drain_timeout, self._close_timeout, self._clock)
        return self.deadline

    async def _stop_taking_in(self, deadline: Deadline) -> None:
        try:
            await self._loops.stop_intake()
            if in_work := self._work.in_work():
                logger.info("Waiting for {} in flight", in_work)
            await self._work.drain(deadline.for_events())
        finally:
            # A stop that is cancelled waits for no handler any more, but leaves nothing behind.
            await end_work(self._work, deadline)
            await self._sockets.close_all(WSCloseCode.GOING_AWAY, "the bot stops", deadline)
            await self._loops.stop(deadline)
            deadline.begin_hooks()
            await self._hooks.drain(deadline.for_hooks(behind=len(self._shutdown)))
            await end_work(self._hooks, deadline)

    async def _close(self, deadline: Deadline) -> None:
        try:
            await self._run_shutdown_hooks(deadline)
            # Those of bots that an adapter has disconnected in its own shutdown hook.
            await self._hooks.drain(deadline.for_hooks())
            await end_work(self._work, deadline)
            await end_work(self._hooks, deadline)
        finally:
            self._work.end_stop()
            self._hooks.end_stop()
            await self._close_session(deadline)

    async def _run_shutdown_hooks(self, deadline: Deadline) -> None:
        for behind, hook in reversed(tuple(enumerate(self._shutdown))):
            running = call_hooks([hook], "shutdown")
            label = f"the shutdown hook {hook_name(hook)}"
            await end_within(running, deadline.for_hooks(behind), deadline, label)

    async def _close_session(self, deadline: Deadline) -> None:
        try:
            # Peers that do not take what was sent to them can hold it up.
            with deadline.peers() as seconds:
                seconds = max(seconds, deadline.for_grace)
                closing = self._session.close()
                await end_within(closing, seconds, deadline, "the closing of the session")
        finally:
            for watch in self._watches:
                watch.stop()
            self._become(State.IDLE)

    def cut_off(self) -> None:
        """Log what a forced end cuts off, for nobody waits for it any more."""
        for work in (self._work, self._hooks):
            work.log_cut_off()

    async def _run_startup_hooks(self) -> None:
        for hook in _growing(self._startup):
            try:
                await call_hook(hook)
            except StartupError:
                # It says itself what has failed.
                raise
            except Exception as error:
                raise StartupError(f"The startup hook {hook_name(hook)} failed") from error


def _growing(hooks: list[Hook]) -> Iterable[Hook]:
    """Iterate over a list to which a hook may add while it runs."""
    index = 0
    while index < len(hooks):
        yield hooks[index]
        index += 1
