"""``Failures``: logs a repeated failure once in a while, and counts it in between.

It guards the log against a thousand handlers that fail for one reason: a platform that restarts
while they wait for its answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..exceptions import WebSocketClosed
from ..log import describe, log_exception
from ..log.naming import about
from ..log.own import logger

QUIET_SECONDS = 10.0
"""Seconds during which the same failure is only counted."""

MAX_KINDS = 100
"""Different failures that are counted one by one at a time; all others are counted together."""

_OTHERS = "Other tasks failed"

_INNERMOST_LINES = 20
"""Innermost lines of a traceback that failures must share to count as the same."""


@dataclass
class _Repeated:
    """A failure that was logged less than ``QUIET_SECONDS`` ago.

    Attributes:
        text: What failed.
        due: The monotonic time from which on the failure is logged in full again.
        timer: Reports the count.
        again: How often the same has failed since.
        last: The last error in one line.
        whose: Whose failures are counted: extra fields of the record.
    """

    text: str
    due: float
    timer: asyncio.TimerHandle
    whose: dict[str, str]
    again: int = 0
    last: str = ""


class Failures:
    """Logs failures, and only counts a failure that was logged just now; needs a running loop."""

    def __init__(self) -> None:
        self._repeated: dict[object, _Repeated] = {}

    def log(
        self,
        text: str,
        error: BaseException,
        in_full: str = "",
        *,
        adapter: str = "",
        bot: Any = None,
    ) -> None:
        """Log a failure with its traceback.

        Args:
            text: What failed; one of a limited number of texts. Its failures are counted together.
            in_full: What is logged instead of it where the failure is not only counted, such as a
                text that names the bot.
            adapter: Whose failures are counted together.
            bot: The id of the bot that ``in_full`` names.
        """
        if self._is_new((text, *_key(error)), text, error, adapter):
            log_exception("ERROR", in_full or text, error, **about(adapter, bot))

    def log_disconnected(
        self, text: str, error: BaseException, *, adapter: str = "", bot: Any = None
    ) -> None:
        """Log a failure in one line, because ``is_disconnected`` explains it."""
        if self._is_new((text, WebSocketClosed), text, error, adapter, bot):
            logger.warning("{}: {}", text, describe(error), **about(adapter, bot))

    def report(self) -> None:
        """Log all counts now, and forget all failures."""
        for key in tuple(self._repeated):
            self._report(key)

    def _is_new(
        self, key: object, text: str, error: BaseException, adapter: str, bot: Any = None
    ) -> bool:
        """Return whether to log a failure; count it if it was logged just now."""
        now = time.monotonic()
        known = self._repeated.get(key)
        if known is not None and now >= known.due:
            # The event loop of the timer has ended in between, so nothing has reported the count.
            self._report(key)
            known = None
        if known is None and len(self._repeated) < MAX_KINDS:
            self._repeated[key] = self._begin(key, text, now, about(adapter, bot))
            return True
        if known is None:
            known = self._repeated.get(_OTHERS) or self._begin(_OTHERS, _OTHERS, now, {})
            self._repeated[_OTHERS] = known
        known.again += 1
        # Not the error itself: its traceback would keep alive everything that it refers to.
        known.last = f"{text}: {describe(error)}" if known.text is _OTHERS else describe(error)
        return False

    def _begin(self, key: object, text: str, now: float, whose: dict[str, str]) -> _Repeated:
        timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._report, key)
        return _Repeated(text, now + QUIET_SECONDS, timer, whose)

    def _report(self, key: object) -> None:
        repeated = self._repeated.pop(key, None)
        if repeated is None:
            return
        repeated.timer.cancel()
        if repeated.again:
            text = "{} {} more time(s), at last with {}"
            logger.warning(text, repeated.text, repeated.again, repeated.last, **repeated.whose)


def is_disconnected(error: BaseException, bot: Any) -> bool:
    """Return whether a handler has failed because the connection of its own bot has ended.

    It has then raised ``WebSocketClosed``, or an adapter's own error ``from`` it. An error that was
    raised while it handled ``WebSocketClosed`` is a failure of its own. ``bot`` is None for a
    handler whose bot has no connection.
    """
    if not getattr(getattr(bot, "request", None), "closed", False):
        return False
    return any(isinstance(each, WebSocketClosed) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _key(error: BaseException) -> tuple[object, ...]:
    """Make the key of a failure: the type of its error and the innermost lines of its traceback."""
    places: list[tuple[str, int]] = []
    traceback = error.__traceback__
    while traceback is not None:
        places.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return (type(error), *places[-_INNERMOST_LINES:])
