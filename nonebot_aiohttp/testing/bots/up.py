"""Whether a bot is up."""

from __future__ import annotations

import re
import socket

STARTED = re.compile(r"startup completed", re.IGNORECASE)
"""What NoneBot2's drivers without a server log when the start is complete, at level INFO."""

PROBE = "/nonebot-aiohttp-testing-asks-whether-the-bot-is-up"
"""A path that no adapter has."""

_ANSWER = 0.5
"""Seconds for an answer; then it is asked again."""


class DidNotStart(AssertionError):
    """The bot has ended at its start, or was not up in time."""

    def __init__(self, why: str, log: str) -> None:
        """Take the reason, and the log."""
        super().__init__(f"the bot is not up: {why}\n\n{log}")


def answers(host: str, port: int) -> bool:
    """Tell whether a port answers HTTP: it may listen long before the bot's start has ended."""
    request = f"GET {PROBE} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), timeout=_ANSWER) as connection:
            connection.sendall(request.encode("ascii"))
            return bool(connection.recv(1))
    except OSError:
        return False
