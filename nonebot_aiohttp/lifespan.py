"""``Lifespan``: the order of starting and of stopping, the same under every host.

It guards the promise that what was acknowledged is handled: nothing is taken in before the startup
hooks have ended, and nothing that handlers need is closed before they have ended or their time is
up.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable
from typing import Protocol

from .exceptions import LifecycleError, StartupError
from .hooks import Hook, call_hook, call_hooks, hook_name
from .log import logger
from .sockets import GOING_AWAY
from .tasks import TaskSet, drain

LAST_GRACE = 1.0
"""Seconds that disconnect hooks get at least, also when the handlers have used up the deadline."""


class State(enum.Enum):
    """Where a driver is in its life."""

    IDLE = "not started"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Session(Protocol):
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

    async def stop(self) -> None:
        """Wait until all loops have ended."""


class Sockets(Protocol):
    """The WebSockets that are open."""

    async def close_all(self, code: int, reason: str) -> None:
        """Close all and wait until their readers have ended."""


class Lifespan:
    """Starts and stops the parts of a driver in their order.

    Attributes:
        state: Where the driver is in its life.
        running: Whether events are taken in. Every request asks, several times: hence a plain
            value and no property.
    """

    def __init__(
        self,
        *,
        session: Session,
        loops: Loops,
        sockets: Sockets,
        handlers: TaskSet,
        hooks: TaskSet,
        drain_timeout: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Take the parts.

        Args:
            session: Open from before the startup hooks until after the shutdown hooks.
            loops: The forward loops.
            sockets: All WebSockets, both sides.
            handlers: Tasks of message handlers; drained before the sockets close.
            hooks: Tasks of connect and disconnect hooks; drained after.
            drain_timeout: Seconds that handlers in flight get at the stop.
            clock: Monotonic seconds; None is the event loop's clock.
        """
        self._become(State.IDLE)
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []
        self._session = session
        self._loops = loops
        self._sockets = sockets
        self._handlers = handlers
        self._hooks = hooks
        self._drain_timeout = drain_timeout
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
            await self._close_session()
            raise
        try:
            await self._run_startup_hooks()
        except BaseException:
            await self._close()
            raise
        self._become(State.RUNNING)
        self._loops.start()

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
        try:
            await self._stop_taking_in()
        finally:
            try:
                await self._close()
            finally:
                self._stopped.set_result(None)
                self._stopped = None

    async def _stop_taking_in(self) -> None:
        deadline = self._now() + self._drain_timeout
        try:
            await self._loops.stop_intake()
            if len(self._handlers):
                logger.info("Waiting for {} handler(s) in flight", len(self._handlers))
            await drain([self._handlers], self._drain_timeout)
        finally:
            # A stop that is cancelled waits for no handler any more, but leaves nothing behind.
            await self._handlers.cancel()
            await self._sockets.close_all(GOING_AWAY, "the bot stops")
            await self._loops.stop()
            await drain([self._hooks], max(deadline - self._now(), LAST_GRACE))
            await self._hooks.cancel()

    async def _close(self) -> None:
        try:
            await call_hooks(reversed(self._shutdown), "shutdown")
            # Those of bots that an adapter has disconnected in its own shutdown hook.
            await drain([self._hooks], LAST_GRACE)
            await self._handlers.cancel()
            await self._hooks.cancel()
        finally:
            await self._close_session()

    async def _close_session(self) -> None:
        try:
            await self._session.close()
        finally:
            self._become(State.IDLE)

    def cut_off(self) -> None:
        """Log what a forced end cuts off, for nobody waits for it any more."""
        for tasks in (self._handlers, self._hooks):
            tasks.log_cut_off()

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()

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
