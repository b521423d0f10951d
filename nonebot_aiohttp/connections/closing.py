"""How a WebSocket ends: its close code, its reason, and what of them a close frame can carry."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from ..exceptions import WebSocketClosed

# Close codes (RFC 6455, section 7.4.1, and its registry). No frame carries 1005, 1006 or 1015.
NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_CODE = 1005
ABNORMAL = 1006
INVALID_TEXT = 1007
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
TLS_FAILED = 1015

_RESERVED = 1004
_SENT_INSTEAD = {NO_CODE: NORMAL, ABNORMAL: INTERNAL_ERROR, TLS_FAILED: INTERNAL_ERROR}

GONE = "the connection is gone"
"""The reason when nothing else is known."""

CLOSED_HERE = "closed by this side"
"""The reason of a close by this side that gives none."""

_REASON_LIMIT = 123  # A control frame carries 125 bytes, two of them the code (RFC 6455, 5.5).


class Ending(NamedTuple):
    """How a WebSocket has ended: the close code (RFC 6455, section 7.4), and why, in words."""

    code: int
    reason: str

    @classmethod
    def by_peer(cls, code: int | None, reason: str | None) -> Ending:
        """Read a close frame of the peer; 1005 says that it has no code (RFC 6455, 7.1.5)."""
        return cls(code or NO_CODE, reason or "")

    def error(self) -> WebSocketClosed:
        """Make the error that says so, a new one for each raise.

        An error that is kept and raised again grows its traceback with each raise. Raise the new
        one outside of ``except``, because it would keep the caught error as its context.
        """
        return WebSocketClosed(self.code, self.reason)


def sendable_code(code: Any) -> int:
    """Return the code that a close frame carries instead of ``code``.

    1005 becomes 1000, because it says that the frame had no code. 1006 and 1015 become 1011: they
    stand for a lost connection and for TLS that failed. So code that relays a close can pass on
    whatever code it was given. All other valid codes stay.

    Raises:
        ValueError: The code is not an int of 1000 to 1003, 1005 to 1015 or 3000 to 4999 (RFC 6455,
            section 7.4, and its registry).
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
    """Return the code that answers the peer's close: as a rule the same (RFC 6455, 5.5.1).

    1000 answers a close without a code (0), and 1002 a code that no frame may carry.
    """
    if not code:
        return NORMAL
    with suppress(ValueError):
        if sendable_code(code) == code:
            return code
    return PROTOCOL_ERROR


def replace_surrogates(text: str) -> str:
    """Make text that UTF-8 can encode; text from JSON can contain surrogates.

    Two surrogates that form a pair become their character. U+FFFD, the replacement character,
    stands for a single one.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def encode_reason(reason: str) -> bytes:
    """Encode as many whole characters of a reason as a close frame can carry."""
    return replace_surrogates(reason).encode()[:_REASON_LIMIT].decode(errors="ignore").encode()
