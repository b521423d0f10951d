"""The adapter's own log, and what of foreign data goes into it."""

from nonebot.utils import escape_tag, logger_wrapper

log = logger_wrapper("Pigeon")

LONGEST = 500
"""Characters of what comes from outside."""


def shown(data: object) -> str:
    """Make data fit for the log: short, and without what the log would take for colours."""
    text = data if isinstance(data, str) else repr(data)
    return escape_tag(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
