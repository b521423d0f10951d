"""``Failures``: what fails again and again is explained once in a while, and counted in between.

It guards the log against a thousand handlers that fail for one reason, such as a platform that
restarts while they wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..exceptions import WebSocketClosed
from ..log import describe, log_exception, logger

QUIET_SECONDS = 10.0
"""Seconds for which the same failure is only counted."""

MAX_KINDS = 100
"""Different failures that are told apart at a time; more of them are counted together."""

_OTHERS = "Other tasks failed"

_PLACES = 20
"""Lines of a traceback, counted from where it was raised, by which failures are told apart."""


@dataclass
class _Repeated:
    """A failure that was logged just now.

    Attributes:
        text: What failed.
        due: The time on the monotonic clock from which on it is logged anew.
        timer: Reports the count.
        again: How often it has failed in the same way since.
        last: The last error in one line.
    """

    text: str
    due: float
    timer: asyncio.TimerHandle
    again: int = 0
    last: str = ""


class Failures:
    """Logs failures on the event loop; one that was logged just now is counted instead."""

    def __init__(self) -> None:
        self._repeated: dict[object, _Repeated] = {}

    def log(self, text: str, error: BaseException) -> None:
        """Log a failure with its traceback.

        Args:
            text: What failed, of a limited number of different texts.
            error: What it has raised.
        """
        if self._is_first((text, *_places(error)), text, error):
            log_exception("ERROR", text, error)

    def log_disconnected(self, text: str, error: BaseException) -> None:
        """Log a failure in one line, because the bot's own connection has ended.

        Args:
            text: What failed, with the bot's name.
            error: What it has raised; see ``is_disconnected``.
        """
        if self._is_first((text, WebSocketClosed), text, error):
            logger.warning("{}: {}", text, describe(error))

    def report(self) -> None:
        """Log all counts now, and start anew."""
        for key in tuple(self._repeated):
            self._report(key)

    def _is_first(self, key: object, text: str, error: BaseException) -> bool:
        """Tell whether a failure was not logged just now, and count it if it was."""
        now = time.monotonic()
        known = self._repeated.get(key)
        if known is not None and now >= known.due:
            # The timer's event loop has ended meanwhile.
            self._report(key)
            known = None
        if known is None and len(self._repeated) < MAX_KINDS:
            self._repeated[key] = self._begin(key, text, now)
            return True
        if known is None:
            known = self._repeated.get(_OTHERS) or self._begin(_OTHERS, _OTHERS, now)
            self._repeated[_OTHERS] = known
        known.again += 1
        # Not the error itself, which would keep alive all that its traceback refers to.
        known.last = f"{text}: {describe(error)}" if known.text is _OTHERS else describe(error)
        return False

    def _begin(self, key: object, text: str, now: float) -> _Repeated:
        timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._report, key)
        return _Repeated(text, now + QUIET_SECONDS, timer)

    def _report(self, key: object) -> None:
        repeated = self._repeated.pop(key, None)
        if repeated is None:
            return
        repeated.timer.cancel()
        if repeated.again:
            text = "{} {} more time(s), at last with {}"
            logger.warning(text, repeated.text, repeated.again, repeated.last)


def is_disconnected(error: BaseException, bot: Any) -> bool:
    """Tell whether a handler has failed because the connection of its own bot has ended.

    Args:
        error: What the handler has raised: ``WebSocketClosed``, or an adapter's own error that was
            raised from it. One that was raised while it was handled is a failure of its own.
        bot: Whose handler it is; None for one that has no connection.
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


def _places(error: BaseException) -> tuple[object, ...]:
    """Tell tracebacks apart: by the error's type and the last lines that it has come through."""
    places: list[tuple[str, int]] = []
    traceback = error.__traceback__
    while traceback is not None:
        places.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return (type(error), *places[-_PLACES:])
