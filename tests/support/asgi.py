"""A tiny ASGI server: a test calls an application, one event at a time."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from tests.support.waiting import settle, within

Event = MutableMapping[str, Any]


def scope(kind: str, path: str, **fields: Any) -> dict[str, Any]:
    """Return the scope of a connection of bot 1; the kind is `http` or `websocket`."""
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": path,
        "query_string": b"",
        "headers": [(b"x-self-id", b"1")],
        **({"method": "POST"} if kind == "http" else {}),
        **fields,
    }


class Call:
    """One call of an application; its events are kept, or sending fails as a test has set."""

    def __init__(self, app: Any, scope: dict[str, Any], *events: Event) -> None:
        self.sent: list[Event] = []
        self.failure: Exception | None = None
        self._app = app
        self._scope = scope
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._new = asyncio.Event()
        for event in events:
            self._events.put_nowait(event)

    async def __aenter__(self) -> Call:
        self._task = asyncio.create_task(self._app(self._scope, self._events.get, self._send))
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=error is not None)

    async def give(self, kind: str, **fields: Any) -> None:
        """Let the application receive an event."""
        self._events.put_nowait({"type": kind, **fields})
        await settle()

    async def next(self) -> Event:
        """Wait for the next event that the application sends."""
        while not self.sent:
            await within(self._new.wait())
            self._new.clear()
        return self.sent.pop(0)

    async def ended(self) -> None:
        """Wait until the application has returned."""
        await within(asyncio.shield(self._task))

    async def _send(self, event: Event) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(event)
        self._new.set()


async def request(app: Any, path: str, body: bytes = b"", **fields: Any) -> tuple[int, Any, bytes]:
    """Send one request; return status, headers and body of the response."""
    event = {"type": "http.request", "body": body}
    async with Call(app, scope("http", path, **fields), event) as call:
        start, rest = await call.next(), await call.next()
    assert (start["type"], rest["type"]) == ("http.response.start", "http.response.body")
    return start["status"], dict(start["headers"]), rest["body"]
