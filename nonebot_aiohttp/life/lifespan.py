"""``Lifespan``: the order in which a driver starts and stops, the same under every host.

It guards the promise that every acknowledged event is handled. No event is taken before the startup
hooks have ended. Nothing that handlers need is closed before they have ended or their time is up.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from aiohttp import WSCloseCode

from ..exceptions import LifecycleError, StartupError
from ..log.own import logger
from .deadline import GRACE, Deadline
from .hooks import Hook, call_hook, call_hooks, hook_name
from .tasks import TaskSet
from .waiting import end_within


class State(enum.Enum):
    """Where a driver is in its life; others ask ``Lifespan.takes_events`` or ``is_idle``."""

    IDLE = "not started"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class OutboundPool(Protocol):
    """The connections and sessions that all outbound requests use."""

    async def open(self) -> None:
        """Make it usable on the running event loop."""

    async def close(self) -> None:
        """Close it with its connections."""


class Loops(Protocol):
    """Forward loops, which poll and connect from the end of the startup until the stop."""

    def start(self) -> None:
        """Start the loops."""

    async def stop_intake(self) -> None:
        """Stop polling and connecting; connections that are open stay open."""

    async def stop(self, deadline: Deadline) -> None:
        """Wait until all loops have ended, and cancel those that take too long."""


class NoLoops:
    """Stands for forward loops where a face has none: NoneBot2's adapters connect by themselves."""

    def start(self) -> None:
        """Do nothing."""

    async def stop_intake(self) -> None:
        """Do nothing."""

    async def stop(self, deadline: Deadline) -> None:
        """Do nothing."""


class OpenConnections(Protocol):
    """Connections that stay open until the stop: WebSockets, and a guest's event streams."""

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """Close all within the deadline, and wait until their readers have ended."""


class Work(Protocol):
    """The tasks of events in flight, or of hooks."""

    def describe_pending(self) -> str:
        """Return for the log what has not ended; empty if everything has."""

    async def drain(self, timeout: float) -> None:
        """Wait for the tasks that run now, not for those that start later."""

    async def cancel(self, grace: float) -> bool:
        """Cancel and log what still runs; return whether ``drain`` has waited for it in vain."""

    def log_cut_off(self) -> None:
        """Log what is about to be cut off, each task once."""

    def end_stop(self) -> None:
        """Log the failures that were only counted, and be ready for the next stop."""


class Listener(Protocol):
    """A listener of its own for those who operate the driver."""

    async def open(self) -> None:
        """Begin to answer, before anything else starts."""

    async def close(self) -> None:
        """Answer no more, when everything else has stopped."""


class Watch(Protocol):
    """Looks after connections while the driver runs."""

    def start(self) -> None:
        """Start looking."""

    def stop(self) -> None:
        """Stop looking."""


async def end_work(work: Work, deadline: Deadline) -> None:
    """Cut off what still runs, within the grace of the stop."""
    with deadline.grace() as grace:
        if await work.cancel(grace):
            deadline.all_ended = False


class Lifespan:
    """Starts and stops the parts of a driver in their order.

    Attributes:
        state: Where the driver is in its life.
        since: When it came into that state, in Unix seconds.
        deadline: The deadline of the current stop, or of the last one.
    """

    def __init__(
        self,
        *,
        pool: OutboundPool,
        loops: Loops,
        connections: OpenConnections,
        work: Work,
        hooks: TaskSet,
        watches: Sequence[Watch] = (),
        check: Callable[[], None] = lambda: None,
        drain_timeout: float,
        close_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        """Take the parts; for the timeouts in seconds see ``Deadline``.

        Args:
            pool: It is open from before the startup hooks until after the shutdown hooks.
            work: The events in flight, which are drained before the connections close.
            hooks: The tasks of connect and disconnect hooks, which are drained after that.
            check: Called when the startup hooks have ended. What it raises fails the start.
            watches: They look from the end of the startup hooks until the end of the stop.
        """
        self._time_of_day = time_of_day
        self._enter(State.IDLE)
        self.deadline = Deadline(0, close_timeout, clock)
        self._listener: Listener | None = None
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []
        self._several: list[tuple[Hook, Callable[[], int]]] = []
        self._pool = pool
        self._loops = loops
        self._connections = connections
        self._work = work
        self._hooks = hooks
        self._watches = [*watches]
        self._check = check
        self._drain_timeout = drain_timeout
        self._close_timeout = close_timeout
        self._clock = clock
        self._stopped: asyncio.Future[None] | None = None

    def _enter(self, state: State) -> None:
        self.state, self.since = state, self._time_of_day()

    @property
    def takes_events(self) -> bool:
        """Whether events are taken: from the end of the startup hooks until the stop begins."""
        return self.state is State.RUNNING

    @property
    def is_idle(self) -> bool:
        """Whether the driver can start: it has not started yet, or its stop has ended."""
        return self.state is State.IDLE

    def on_startup(self, hook: Hook) -> None:
        """Add a hook that runs at the start, after the hooks that were added before."""
        self._startup.append(hook)

    def on_shutdown(self, hook: Hook, slices: Callable[[], int] | None = None) -> None:
        """Add a hook that runs at the stop, before the hooks that were added before.

        Args:
            hook: The hook.
            slices: Returns how many slices of the stop's time what precedes the hook leaves to it:
                as many as it runs functions, one after the other. None is always 1. All hooks
                together have half of that time at most.
        """
        self._shutdown.append(hook)
        if slices is not None:
            self._several.append((hook, slices))

    def serve_operators(self, listener: Listener, watch: Watch) -> None:
        """Take what serves operators.

        Args:
            listener: It is open from before the pool is opened until after it is closed.
            watch: One more watch.
        """
        self._listener = listener
        self._watches.append(watch)

    async def start(self) -> None:
        """Open the pool, run the startup hooks, take events, start the forward loops.

        Raises:
            LifecycleError: The driver is not idle.
            StartupError: The operators' listener cannot listen; no hook has run.
            ValidationError: The pool cannot be opened with these settings; no hook has run.
            StartupError: A startup hook failed; everything that had started is stopped again.
            SetupError: A forward connection can never work; stopped again as well.
        """
        if not self.is_idle:
            raise LifecycleError(f"The driver cannot start while it is {self.state.value}")
        self._enter(State.STARTING)
        logger.release()
        try:
            if self._listener is not None:
                await self._listener.open()
            await self._pool.open()
        except BaseException:
            # The shutdown hooks do not run, because no startup hook has.
            await self._close_pool(self._new_deadline(0))
            raise
        try:
            await self._run_startup_hooks()
            self._check()
        except BaseException:
            # There are no events to wait for, because none was taken.
            await self._close(self._new_deadline(0))
            raise
        self._enter(State.RUNNING)
        for watch in self._watches:
            watch.start()
        self._loops.start()

    @property
    def start_grace(self) -> float:
        """Seconds at most until a start that was given up has stopped what had started."""
        return 2 * self._close_timeout + GRACE

    @property
    def stop_limit(self) -> float:
        """Seconds at most until a stop has ended."""
        return self._drain_timeout + self.start_grace

    async def stop(self) -> None:
        """Stop in order; a second call waits for the end of the first.

        Stop polling and accepting, drain the handlers, close the WebSockets with 1001, wait for the
        disconnect hooks, run the shutdown hooks in reverse order, close the pool.
        """
        if self.state is State.STOPPING and self._stopped is not None:
            await asyncio.shield(self._stopped)
        if self.state is not State.RUNNING:
            return
        self._enter(State.STOPPING)
        self._stopped = asyncio.get_running_loop().create_future()
        deadline = self._new_deadline(self._drain_timeout)
        try:
            await self._end_events(deadline)
        finally:
            try:
                await self._close(deadline)
            finally:
                self._stopped.set_result(None)
                self._stopped = None

    def _new_deadline(self, drain_timeout: float) -> Deadline:
        self.deadline = Deadline(drain_timeout, self._close_timeout, self._clock)
        return self.deadline

    async def _end_events(self, deadline: Deadline) -> None:
        try:
            await self._loops.stop_intake()
            if pending := self._work.describe_pending():
                logger.info("Waiting for {} in flight", pending)
            await self._work.drain(deadline.for_events())
        finally:
            # A stop that is cancelled no longer waits for handlers, but still closes everything.
            await end_work(self._work, deadline)
            await self._connections.close_all(WSCloseCode.GOING_AWAY, "the bot stops", deadline)
            await self._loops.stop(deadline)
            deadline.begin_hooks()
            await self._hooks.drain(deadline.for_hooks(behind=self._slices(self._shutdown)))
            await end_work(self._hooks, deadline)

    async def _close(self, deadline: Deadline) -> None:
        try:
            await self._run_shutdown_hooks(deadline)
            # An adapter may disconnect bots in its own shutdown hook.
            await self._hooks.drain(deadline.for_hooks())
            await end_work(self._work, deadline)
            await end_work(self._hooks, deadline)
        finally:
            self._work.end_stop()
            self._hooks.end_stop()
            await self._close_pool(deadline)

    async def _run_shutdown_hooks(self, deadline: Deadline) -> None:
        for number, hook in reversed(tuple(enumerate(self._shutdown))):
            running = call_hooks([hook], "shutdown")
            label = f"the shutdown hook {hook_name(hook)}"
            seconds = deadline.for_hooks(behind=self._slices(self._shutdown[:number]))
            await end_within(running, seconds, deadline, label)

    def _slices(self, hooks: Sequence[Hook]) -> int:
        more = sum(slices() - 1 for hook, slices in self._several if hook in hooks)
        return len(hooks) + more

    async def _close_pool(self, deadline: Deadline) -> None:
        try:
            # A peer that does not read what was sent to it can delay this.
            with deadline.peers() as seconds:
                seconds = max(seconds, deadline.for_grace)
                closing = self._pool.close()
                await end_within(closing, seconds, deadline, "the closing of the session")
        finally:
            for watch in self._watches:
                watch.stop()
            try:
                if self._listener is not None:
                    with deadline.grace() as grace:
                        closing = self._listener.close()
                        await end_within(closing, grace, deadline, "the operators' listener")
            finally:
                self._enter(State.IDLE)

    def cut_off(self) -> None:
        """Log what a forced end of the process cuts off."""
        for work in (self._work, self._hooks):
            work.log_cut_off()

    async def _run_startup_hooks(self) -> None:
        for hook in _growing(self._startup):
            try:
                await call_hook(hook)
            except StartupError:
                # Its text says already what has failed.
                raise
            except Exception as error:
                raise StartupError(f"The startup hook {hook_name(hook)} failed") from error


def _growing(hooks: list[Hook]) -> Iterable[Hook]:
    """Iterate over a list to which a running hook may add hooks."""
    index = 0
    while index < len(hooks):
        yield hooks[index]
        index += 1
