"""``Route``: requests of one kind that a platform answers, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .faults import Close, ExpiredCertificate, Fault, Silent
from .matching import Path, has_part
from .replies import Function, Json, Replies, Reply, Step, make_reply
from .seen import Call

if TYPE_CHECKING:
    from .platform import Platform


class Route:
    """The requests with a method and a path; `Platform.on` makes it.

    Attributes:
        calls: The requests so far, the oldest first.
    """

    def __init__(
        self,
        platform: Platform,
        method: str,
        path: Path,
        json: Mapping[str, Any] | None,
        host: str | None,
    ) -> None:
        """Answer what these describe; `Platform.on` has their meaning."""
        self.calls: list[Call] = []
        self._platform = platform
        self._method = method.upper()
        self._path = path
        self._json = json
        self._host = host
        self._replies = Replies()

    def reply(
        self,
        function: Callable[[Call], Any] | None = None,
        *,
        json: Json = None,
        text: str | None = None,
        body: bytes | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
        fault: Fault | None = None,
    ) -> Route:
        """Add an answer; several are given one after the other, the last one again and again.

        Args:
            function: Makes the answer of the call: a `Reply`, JSON, or a `Fault`. It may be async,
                and runs on the platform's own event loop. An error in it fails the test.
            json: The answer as JSON.
            text: The answer as text.
            body: The answer as bytes.
            status: Its status.
            headers: Its headers.
            times: How often it is given. None is once if another answer follows, and for ever if
                it is the last.
            fault: What goes wrong with it, such as `Slow` or `Cut`.

        Returns:
            This route, so that answers can be chained.

        Raises:
            TypeError: There is more than one body, or the fault is one of WebSockets.
        """
        if isinstance(fault, Silent | Close | ExpiredCertificate):
            raise TypeError(
                f"{fault} does not strike requests: see Connection.fail and next_connections"
            )
        made: Reply | Function = function or make_reply(
            json=json, text=text, body=body, status=status, headers=headers
        )
        self._replies.add(made, times, fault)
        return self

    def fail(self, fault: Fault, times: int | None = None) -> Route:
        """Add a fault in the place of an answer; see `reply` for the order and `times`."""
        return self.reply(times=times, fault=fault)

    async def expect(self, *, json: Any = None, deadline: float | None = None) -> Call:
        """Return the next request of this route, each once; wait for it if need be.

        Args:
            json: A part of its JSON, or a function that decides about that; None is any request.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
        """
        return await self._platform._take(
            lambda call: call in self.calls and _says(call, json), str(self), deadline
        )

    def take(self, call: Call) -> Call | None:
        """Return the call with what stood in the placeholders, or None if it is not of here."""
        if self._method not in ("*", call.method):
            return None
        if self._host is not None and self._host != call.host:
            return None
        match = self._path.match(call.path)
        if match is None or not _says(call, self._json):
            return None
        return replace(call, match=match)

    def next(self, call: Call) -> Step | None:
        """Note a call, and return the answer whose turn it is; None if it has no answer left."""
        self.calls.append(call)
        return self._replies.next()

    @property
    def problem(self) -> str | None:
        """What is wrong with this route at the end of a test."""
        if not self._replies.unused:
            return None
        return f"{self}: {self._replies.unused} of {len(self._replies)} replies never used"

    def __str__(self) -> str:
        host = f" of {self._host}" if self._host else ""
        part = f" with {self._json}" if self._json is not None else ""
        return f"{self._method} {self._path}{host}{part}"


def _says(call: Call, json: Any) -> bool:
    """Tell whether a call's parameters have a part; None is any part."""
    if json is None:
        return True
    try:
        return has_part(call.json, json)
    except ValueError:
        return has_part(call.parameters, json)
