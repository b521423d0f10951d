"""``Failures``: what fails again and again is explained once in a while, and counted in between.

It guards the log against a thousand handlers that fail for one reason, such as a platform that
restarts while they wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .exceptions import WebSocketClosed
from .log import describe, log_exception, logger

QUIET_SECONDS = 10.0
"""Seconds for which the same failure is only counted."""

MAX_KINDS = 100
"""Different failures that are told apart at a time; the oldest is reported to make room."""

_PLACES = 20
"""Lines of a traceback, counted from where it was raised, by which failures are told apart."""


@dataclass
class _Repeated:
    """A failure that was logged just now.

    Attributes:
        text: What failed.
        timer: Reports the count.
        again: How often it has failed in the same way since.
        last: The last error in one line.
    """

    text: str
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

    def log_disconnected(self, text: str, closed: WebSocketClosed) -> None:
        """Log a failure in one line, because the bot's own connection has ended.

        Args:
            text: What failed, with the bot's name.
            closed: How the connection has ended.
        """
        if self._is_first((text, WebSocketClosed), text, closed):
            logger.warning("{}: {}", text, describe(closed))

    def report(self) -> None:
        """Log all counts now, and start anew."""
        for key in tuple(self._repeated):
            self._report(key)

    def _is_first(self, key: object, text: str, error: BaseException) -> bool:
        known = self._repeated.get(key)
        if known is not None:
            known.again += 1
            # Not the error itself, which would keep alive all that its traceback refers to.
            known.last = describe(error)
            return False
        if len(self._repeated) >= MAX_KINDS:
            self._report(next(iter(self._repeated)))
        timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._report, key)
        self._repeated[key] = _Repeated(text, timer)
        return True

    def _report(self, key: object) -> None:
        repeated = self._repeated.pop(key)
        repeated.timer.cancel()
        if repeated.again:
            text = "{} {} more time(s), at last with {}"
            logger.warning(text, repeated.text, repeated.again, repeated.last)


def end_of_connection(error: BaseException, bot: Any) -> WebSocketClosed | None:
    """Find the end of a bot's own connection behind an error: adapters wrap it into their own.

    Args:
        error: What a handler has raised.
        bot: Whose handler it is; None for one that has no connection.

    Returns:
        How the connection has ended; None if it has not, or is not why the handler has failed.
    """
    if not getattr(getattr(bot, "request", None), "closed", False):
        return None
    return next((each for each in _chain(error) if isinstance(each, WebSocketClosed)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _places(error: BaseException) -> tuple[object, ...]:
    """Tell tracebacks apart: by the error's type and the last lines that it has come through."""
    places: list[tuple[str, int]] = []
    traceback = error.__traceback__
    while traceback is not None:
        places.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return (type(error), *places[-_PLACES:])
