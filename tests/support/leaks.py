"""The state of the process that outlives a loop; what a loop leaves, the kit finds."""

from __future__ import annotations

import logging

from loguru import logger

from nonebot_aiohttp.testing.bots.leaks import signal_handlers


def process_state() -> dict[str, object]:
    """Describe signal handlers, and where logs go."""
    root = logging.getLogger()
    return {
        **signal_handlers(),
        "the sinks of loguru": repr(logger),
        "the handlers of the root logger": list(root.handlers),
        "the level of the root logger": root.level,
    }
