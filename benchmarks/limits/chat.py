"""What the simulated platform and the bot say to each other over a WebSocket.

An exchange is three messages: the platform's event, the API call that the bot makes because of it,
and the platform's answer to the call. Each names the bot and the exchange, so that one which was
lost, doubled or given to another connection is found out, by either side.
"""

from __future__ import annotations

import json
from typing import Any

EVENT_SIZE = 300
NUMBERED, NUMBERED_SLOWLY, NUMBERED_LATE = b"#", b"~", b"^"
"""Begin a message that is only counted, the others after a wait and a long one; its number follows.
"""

_PADDING = "x" * (EVENT_SIZE - len(json.dumps({"do": "call", "bot": "00000", "seq": 0, "pad": ""})))


def event(bot: str, sequence: int) -> bytes:
    """Return an event that makes the bot call an API."""
    return _encode(do="call", bot=bot, seq=sequence, pad=_PADDING)


def big_event(bot: str, size: int) -> bytes:
    """Return an event that makes the bot send a message of some bytes."""
    return _encode(do="send", bot=bot, size=size)


def call(bot: str, sequence: int) -> str:
    """Return the bot's API call; the exchange's number is its echo."""
    return _encode(api="send_msg", bot=bot, echo=sequence).decode()


def answer(bot: str, echo: int) -> bytes:
    """Return the platform's answer to a call."""
    return _encode(status="ok", bot=bot, echo=echo)


def numbered(kind: bytes, number: int, size: int) -> bytes:
    """Return a message of some bytes that the bot counts; the number must follow the last one's."""
    return (kind + b"%d " % number).ljust(size, b"x")


def number_of(message: bytes) -> int:
    """Return the number of a numbered message."""
    return int(message[1:].partition(b" ")[0])


def decode(message: bytes) -> dict[str, Any]:
    """Return the fields of a message."""
    fields: dict[str, Any] = json.loads(message)
    return fields


def _encode(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
