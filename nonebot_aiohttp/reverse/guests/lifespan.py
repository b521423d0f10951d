"""``GuestLifespan``: the lifespan of a guest, in one task from its start to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...connections.asgi_websocket import Event
from ...exceptions import StartupError
from ...life.deadline import GRACE
from ...life.waiting import settle
from ...log import describe, log_exception, loggable

if TYPE_CHECKING:
    from ..asgi_transport import Application

_ASGI = {"version": "3.0", "spec_version": "2.0"}


class GuestLifespan:
    """Tells an ASGI application of the start and the stop, as its server would.

    Attributes:
        state: What the application leaves for its requests; see the lifespan protocol of ASGI.
    """

    def __init__(self, app: Application, name: str) -> None:
        self._app = app
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[Event]
        self._answers: asyncio.Queue[Event]
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start the application.

        Raises:
            StartupError: The application could not start.
        """
        self.state, self._events, self._answers = {}, asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.ensure_future(self._run())
        try:
            answer = await self._tell("lifespan.startup")
        except BaseException:
            await settle(self._task, self._name)
            raise
        if answer is not None and answer["type"] == "lifespan.startup.complete":
            return
        error = await self._failure()
        if answer is None and error is None:
            # Not every ASGI application supports lifespans.
            return
        said = str((answer or {}).get("message") or "").strip().rpartition("\n")[2]
        # The last line of a traceback, which may quote a URL with its secrets.
        message = loggable(said)
        if not message and error is not None:
            message = describe(error)
        name = self._name[0].upper() + self._name[1:]
        text = f"{name} could not start: {message or 'it does not say why'}"
        raise StartupError(text) from error

    async def stop(self) -> None:
        """Tell the application to stop, and wait until it has."""
        if (task := self._task) is None:
            return
        try:
            await self._tell("lifespan.shutdown")
            error = await self._failure()
            if error is not None:
                log_exception("ERROR", f"Stopping {self._name} failed", error)
        finally:
            self._task = None
            await settle(task, self._name)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": dict(_ASGI), "state": self.state}
        await self._app(scope, self._events.get, self._answers.put)

    async def _tell(self, event: str) -> Event | None:
        """Send the application an event; give its answer, or None if it has ended without one."""
        assert self._task is not None
        self._events.put_nowait({"type": event})
        answering = asyncio.ensure_future(self._answers.get())
        try:
            await asyncio.wait({answering, self._task}, return_when=asyncio.FIRST_COMPLETED)
            # An answer counts although the application has ended right after it.
            await asyncio.sleep(0)
            return answering.result() if answering.done() else None
        finally:
            await settle(answering)

    async def _failure(self) -> BaseException | None:
        """Wait for the end of an application that has answered, and give its error."""
        task = self._task
        assert task is not None
        await asyncio.wait({task}, timeout=GRACE)
        self._task = None
        await settle(task, self._name)
        return task.exception() if task.done() and not task.cancelled() else None
