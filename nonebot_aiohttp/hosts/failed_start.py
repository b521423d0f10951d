"""What the log says of a start that has failed: one line, and the user's part of a traceback."""

from __future__ import annotations

from types import TracebackType

from ..exceptions import NonebotAiohttpError
from ..log import log_exception
from ..log.own import logger

_CALLERS = frozenset(
    {"nonebot_aiohttp", "nonebot", "anyio", "asyncio", "concurrent", "contextvars"}
)
"""Packages through which a user's hook is called; their lines tell its author nothing."""


def log_failed_start(error: Exception) -> None:
    """Log why the driver could not start: a traceback only of what a user's hook has raised."""
    cause = error.__cause__
    if not isinstance(error, NonebotAiohttpError):
        log_exception("ERROR", "The driver could not start", error)
    elif cause is None:
        logger.error("{}", error)
    else:
        cause.__traceback__ = users_part(cause.__traceback__)
        log_exception("ERROR", str(error), cause)


def users_part(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out the calls that lead to the user's code; all of it stays if there is none."""
    part = traceback
    while part is not None:
        name = str(part.tb_frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in _CALLERS:
            return part
        part = part.tb_next
    return traceback
