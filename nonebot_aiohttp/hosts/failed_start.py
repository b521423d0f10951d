"""What the log says of a start that has failed: one line, and a traceback only of a hook."""

from __future__ import annotations

from ..exceptions import NonebotAiohttpError
from ..log import log_exception
from ..log.own import logger


def log_failed_start(error: Exception) -> None:
    """Log why the driver could not start: a traceback only of what a user's hook has raised."""
    cause = error.__cause__
    if not isinstance(error, NonebotAiohttpError):
        log_exception("ERROR", "The driver could not start", error)
    elif cause is None:
        logger.error("{}", error)
    else:
        log_exception("ERROR", str(error), cause)
