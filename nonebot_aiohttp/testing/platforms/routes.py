"""``Route``: requests of one kind that a platform answers, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..wire.faults import Fault, Place, check
from .matching import Path, differences, has_part
from .replies import Function, Json, Replies, Reply, Step, make_reply
from .seen import Call

if TYPE_CHECKING:
    from .platform import Platform

_NEAREST = 5
"""Requests that a failure shows at most."""


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
        """Answer what these describe; `Platform.on` has their meaning.

        Raises:
            ValueError: The method cannot be one.
        """
        if "/" in method:
            raise ValueError(f"{method!r} is not a method: platform.on('POST', '/path')")
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
        optional: bool = False,
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
            times: How often it is given, and has to be used. None is once if another answer
                follows, and for ever if it is the last, but at least once.
            fault: What goes wrong with it, such as `Slow` or `Cut`.
            optional: Whether it may stay unused, whatever the platform demands of the others.

        Returns:
            This route, so that answers can be chained.

        Raises:
            TypeError: There is more than one body, the fault does not strike answers, or something
                stands beside a function, which makes the whole answer.
        """
        if fault is not None:
            check(fault, Place.ANSWER)
        made: Reply | Function = make_reply(
            json=json, text=text, body=body, status=status, headers=headers
        )
        if function is not None:
            if made != Reply():
                raise TypeError("a function makes the whole answer: have it return a Reply")
            made = function
        self._replies.add(made, times, fault, optional=optional)
        return self

    def fail(self, fault: Fault, times: int | None = 1, *, optional: bool = False) -> Route:
        """Add a fault in the place of an answer, in the order of `reply`.

        Args:
            fault: What goes wrong.
            times: How many requests it strikes, and has to; None is as in `reply`.
            optional: Whether it may strike none.

        Raises:
            TypeError: The fault does not strike answers.
        """
        return self.reply(times=times, fault=fault, optional=optional)

    async def expect(self, *, json: Any = None, deadline: float | None = None) -> Call:
        """Return the next request of this route, each once; wait for it if need be.

        Args:
            json: A part of its JSON, or a function that decides about that; None is any request.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
        """

        def match(call: Call) -> Call | None:
            return call if call.route is self and _says(call, json) else None

        return await self._platform.take(match, self._described(json), self, json, deadline)

    def take(self, call: Call) -> Call | None:
        """Return the call with what stood in the placeholders, or None if it is not of here."""
        if self._method not in ("*", call.method):
            return None
        if self._host is not None and self._host != call.host:
            return None
        match = self._path.match(call.path)
        if match is None or not _says(call, self._json):
            return None
        return replace(call, match=match, route=self)

    def near(self, calls: list[Call], json: Any) -> str:
        """Tell what came instead of a request of this route, for the message of a failure."""
        lines = []
        for call in calls[-_NEAREST:]:
            lines.append(f"it got {call}")
            lines += (f"    {why}" for why in self._why_not(call, json))
        return "\n".join(lines)

    def _why_not(self, call: Call, json: Any) -> list[str]:
        if self._method not in ("*", call.method) or self._path.match(call.path) is None:
            return []
        if self._host not in (None, call.host):
            return [f"its host is {call.host} instead of {self._host}"]
        for part in (self._json, json):
            if part is not None and not _says(call, part):
                return differences(_said(call), part)
        return []

    def next(self, _: Call) -> Step | None:
        """Return the answer whose turn it is; None if it has no answer left."""
        return self._replies.next()

    @property
    def exhausted(self) -> str:
        """Why it has no answer."""
        if not len(self._replies):
            return f"{self} has no reply yet"
        return f"all replies of {self} were used"

    @property
    def problem(self) -> str | None:
        """What is wrong with this route at the end of a test."""
        found = self._replies.problem("replies")
        return f"{self}: {found}" if found else None

    def _described(self, json: Any) -> str:
        return str(self) if json is None else f"{self} with {json!r}"

    def __str__(self) -> str:
        host = f" of {self._host}" if self._host else ""
        part = f" with {self._json!r}" if self._json is not None else ""
        return f"{self._method} {self._path}{host}{part}"


def _said(call: Call) -> Any:
    """Return what a call says: its JSON, or else its parameters."""
    try:
        return call.json
    except ValueError:
        return call.parameters


def _says(call: Call, json: Any) -> bool:
    """Tell whether a call says a part; None is any part."""
    return json is None or has_part(_said(call), json) or has_part(call.parameters, json)
