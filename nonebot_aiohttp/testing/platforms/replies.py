"""``Reply`` and ``Replies``: what is answered, one after the other."""

from __future__ import annotations

import inspect
import json as json_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..wire.faults import Fault
from .bodies import Body

Json = Any
"""What `json.dumps` takes."""


@dataclass(frozen=True)
class Reply(Body):
    """An answer over HTTP.

    Attributes:
        body: Its body.
        status: Its status.
        headers: Its headers.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def make_reply(
    *,
    json: Json = None,
    text: str | None = None,
    body: bytes | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Make an answer of JSON, of text or of bytes; without all of them its body is empty.

    Raises:
        TypeError: There is more than one body.
    """
    given = [value for value in (json, text, body) if value is not None]
    if len(given) > 1:
        raise TypeError("a reply has one body: json, text or body")
    fields = dict(headers or {})
    if json is not None:
        fields.setdefault("Content-Type", "application/json")
        body = json_module.dumps(json).encode()
    elif text is not None:
        fields.setdefault("Content-Type", "text/plain; charset=utf-8")
        body = text.encode()
    return Reply(body or b"", status, fields)


Function = Callable[[Any], Any]
"""Makes an answer of what it answers; it may be async."""


@dataclass
class Step:
    """One answer in a sequence: what it is, how often it is given, and how often it was."""

    content: Any
    times: int | None
    fault: Fault | None = None
    optional: bool = False
    used: int = 0

    async def make(self, asked: Any) -> Any:
        """Return the answer; a function makes it of what it answers."""
        if not callable(self.content):
            return self.content
        made = self.content(asked)
        return await made if inspect.isawaitable(made) else made


class Replies:
    """Answers that are given one after the other; the last one again and again."""

    def __init__(self) -> None:
        """Begin without an answer."""
        self._steps: list[Step] = []
        self._at_last: Step | None = None

    def add(
        self,
        content: Any,
        times: int | None = None,
        fault: Fault | None = None,
        *,
        optional: bool = False,
    ) -> None:
        """Add an answer, which is given after those before it.

        Args:
            content: The answer, or a function that makes it.
            times: How often it is given, and has to be; None is once if another one comes after it,
                and as often as somebody asks, but at least once, if it is the last.
            fault: What goes wrong with it.
            optional: Whether it may stay unused.
        """
        self._steps.append(Step(content, times, fault, optional))

    def keep_last(self, step: Step) -> None:
        """Give an answer when all others have been, whenever these are added."""
        self._at_last = step

    def next(self) -> Step | None:
        """Return the answer whose turn it is; None if all have been used up."""
        steps = self._steps if self._at_last is None else [*self._steps, self._at_last]
        for index, step in enumerate(steps):
            limit = 1 if step.times is None and index < len(steps) - 1 else step.times
            if limit is None or step.used < limit:
                step.used += 1
                return step
        return None

    @property
    def unused(self) -> int:
        """How many of the answers were never given, and should have been."""
        return sum(not step.used and not step.optional for step in self._steps)

    def problem(self, name: str) -> str | None:
        """Say what was not given as often as it should have been: once, or its `times`.

        Args:
            name: What the answers are, in the plural.
        """
        found = [f"{self.unused} of {len(self)} {name} never used"] if self.unused else []
        for number, step in enumerate(self._steps, 1):
            if not step.optional and 0 < step.used < (step.times or 0):
                used = f"used {step.used} of {step.times} times"
                found.append(f"number {number} of {len(self)} {name} {used}")
        return ", ".join(found) or None

    def __len__(self) -> int:
        return len(self._steps)
