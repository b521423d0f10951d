"""How a WebSocket ends: the codes, and the reasons that fit into a close frame."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_CODE, ABNORMAL = 1000, 1001, 1002, 1005, 1006


INVALID_TEXT, POLICY_VIOLATION, INTERNAL_ERROR, TRY_AGAIN_LATER = 1007, 1008, 1011, 1013


TLS_FAILED = 1015
"""Close codes (RFC 6455, section 7.4.1, and its registry); 1005, 1006 and 1015 are never sent."""


_RESERVED = 1004


_SENT_INSTEAD = {NO_CODE: NORMAL, ABNORMAL: INTERNAL_ERROR, TLS_FAILED: INTERNAL_ERROR}


GONE = "the connection is gone"
"""The reason of an ending of which nothing else is known."""


_REASON_LIMIT = 123  # A control frame carries 125 bytes, two of them the code (RFC 6455, 5.5).


class Ending(NamedTuple):
    """How a WebSocket has ended.

    Attributes:
        code: The close code (RFC 6455, section 7.4).
        reason: Why, in words.
    """

    code: int
    reason: str


def sendable_code(code: Any) -> int:
    """Find the code that a close frame carries for the one that was asked for.

    Three codes stand for a close that no frame has told of. Who relays a close hands them on, and
    is understood.

    Args:
        code: 1000 to 1003, 1005 to 1015, or 3000 to 4999 (RFC 6455, section 7.4, and its registry).

    Returns:
        1000 for 1005, which says that the frame had no code; 1011 for 1006 and 1015, a lost
        connection and TLS that failed; any other code as it is.

    Raises:
        ValueError: The code must not be sent, or is no int.
    """
    # A bool is an int to Python.
    number = int(code) if isinstance(code, int) and not isinstance(code, bool) else 0
    number = _SENT_INSTEAD.get(number, number)
    if (1000 <= number <= 1014 and number != _RESERVED) or 3000 <= number <= 4999:
        return number
    raise ValueError(
        f"Cannot close a WebSocket with {code!r}: choose 1000 to 1003, 1007 to 1014, or a code of"
        " your own from 4000 to 4999"
    )


def answering_code(code: int) -> int:
    """Find the code that answers the close of a peer: its own, as a rule (RFC 6455, 5.5.1).

    Args:
        code: The code that the peer has sent; 0 for none.

    Returns:
        That code; 1000 if there is none, 1002 if it must not be sent.
    """
    if not code:
        return NORMAL
    with suppress(ValueError):
        if sendable_code(code) == code:
            return code
    return PROTOCOL_ERROR


def encodable(text: str) -> str:
    """Make text that UTF-8 can encode.

    Args:
        text: Text, with halves of surrogate pairs in it as JSON makes them.

    Returns:
        The text; halves that belong together are joined, and U+FFFD, the replacement character,
        stands for each that is alone.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def fitting(reason: str) -> bytes:
    """Cut the reason of a close to what its frame can hold.

    Args:
        reason: The reason; see ``encodable``.

    Returns:
        Whole characters in UTF-8.
    """
    return encodable(reason).encode()[:_REASON_LIMIT].decode(errors="ignore").encode()
