"""``tell``: what a bot in a process of its own tells its test.

It goes the way of the log, on file descriptor 2, between two control characters that no log has:
so it needs no file and no socket, and it stands in order with the lines of the log.
"""

from __future__ import annotations

import json
import os
from typing import Any

START, END = b"\x1e", b"\x1f"
"""What stands around an entry: the separators of ASCII for records and units."""

VARIABLE = "NONEBOT_TESTING_TELL"
"""The environment variable of a process that `BotProcess` has started."""


def tell(what: str, /, **data: Any) -> None:
    """Tell the test that runs this bot that something has happened, with any data.

    The test waits for it with ``await bot.told(what)``.

    Args:
        what: A name for what has happened.
        **data: What JSON can carry; for anything else its ``repr``.

    Raises:
        RuntimeError: No test runs this process.
    """
    if VARIABLE not in os.environ:
        raise RuntimeError(
            f"tell({what!r}): no test listens, because BotProcess has not started this process"
        )
    send({"told": {**data, "what": what}})


def send(entry: dict[str, Any]) -> None:
    """Write an entry for the process of tests."""
    data = START + json.dumps(entry, default=repr).encode("ascii") + END
    while data:
        data = data[os.write(2, data) :]
