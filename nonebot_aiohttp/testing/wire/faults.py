"""Faults: what goes wrong between a platform and a bot, once a test has asked for it.

Where each of them can strike is `PLACES`; elsewhere `check` says so.

None of them refuses a single attempt to connect: a refusal comes from the system, which tells
nobody that there was an attempt, so that nothing could count it. `Platform.stop` refuses all that
come until `Platform.start`, and `Platform.restart` does both; `Reset` ends a connection right after
it was accepted.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime


class Place(enum.Enum):
    """Where a fault can strike, and how a test asks for it there."""

    CONNECTION = "a connection that the bot opens (Platform.next_connections)"
    ANSWER = "an answer to a request or a poll (Route.fail, Updates.fail, reply(fault=...))"
    HANDSHAKE = "the handshake of a WebSocket that the bot opens (WebSocketRoute.fail)"
    WEBSOCKET = "a WebSocket that is open (Connection.fail)"
    WEBHOOK = "a webhook (Platform.post(fault=...))"
    OPENING = "a WebSocket that the platform opens (Platform.connect(fault=...))"


@dataclass(frozen=True)
class Fault:
    """The base of all faults."""

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection ends with RST, without an answer and without a closing handshake."""


@dataclass(frozen=True)
class Hang(Fault):
    """The connection stays open and nothing comes, no answer and no frame; the bot is read on."""


@dataclass(frozen=True)
class HalfOpen(Fault):
    """The connection stays open, but nothing passes either way, as when a cable is cut."""


@dataclass(frozen=True)
class Silent(Fault):
    """The WebSocket stays open and its pings get no pongs; messages still pass."""


@dataclass(frozen=True)
class Close(Fault):
    """The WebSocket is closed with a code (RFC 6455, section 7.4).

    Attributes:
        code: 1006 is an end without a close frame: FIN alone.
        reason: The text beside the code.
    """

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True)
class Slow(Fault):
    """Bytes come one by one.

    Attributes:
        pace: So many in a second.
    """

    pace: float = 200.0


@dataclass(frozen=True)
class Cut(Fault):
    """The connection ends (FIN) in the middle of what is sent.

    Attributes:
        after: So many bytes still pass: of the body of an answer or a webhook, of a WebSocket's
            frame, or of all that a connection or a handshake has.
    """

    after: int = 10


@dataclass(frozen=True)
class Garbage(Fault):
    """Bytes come that are neither HTTP nor a WebSocket's frame, in the place of what should come.

    Nonsense in a message that is well-formed is not a fault of the wire: just send it.

    Attributes:
        data: The bytes.
    """

    data: bytes = b"\xff\x00\xfegarbage\r\n\r\n"


@dataclass(frozen=True)
class Oversize(Fault):
    """What comes is huge.

    Attributes:
        size: Bytes of the body or the message.
    """

    size: int = 64 << 20


@dataclass(frozen=True)
class Status(Fault):
    """The answer has a wrong status.

    Attributes:
        status: The status, such as 503.
        retry_after: The header ``Retry-After`` (RFC 9110, section 10.2.3): seconds, a date, or
            any text; None is without it.
        body: The body.
    """

    status: int = 503
    retry_after: float | datetime | str | None = None
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        after = self.retry_after
        if after is None:
            return {}
        if isinstance(after, datetime):
            return {"Retry-After": format_datetime(after.astimezone(timezone.utc), usegmt=True)}
        return {"Retry-After": after if isinstance(after, str) else f"{after:g}"}


@dataclass(frozen=True)
class Redirect(Fault):
    """The answer leads elsewhere.

    Attributes:
        location: Where; a path stays on the platform.
        status: 301, 302, 303, 307 or 308.
    """

    location: str = "/elsewhere"
    status: int = 302

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {"Location": self.location}


@dataclass(frozen=True)
class ExpiredCertificate(Fault):
    """The connection's certificate has expired; only where the platform speaks TLS."""


_ALL = frozenset(Place)
_ON_ANSWERS = frozenset({Place.CONNECTION, Place.ANSWER, Place.HANDSHAKE})
_ON_WEBSOCKETS = frozenset({Place.CONNECTION, Place.HANDSHAKE, Place.WEBSOCKET, Place.OPENING})

PLACES: dict[type[Fault], frozenset[Place]] = {
    Reset: _ALL,
    Hang: _ALL,
    HalfOpen: _ALL,
    Slow: _ALL,
    Cut: _ALL,
    Garbage: _ALL,
    Oversize: _ALL,
    Silent: _ON_WEBSOCKETS,
    Close: _ON_WEBSOCKETS,
    Status: _ON_ANSWERS,
    Redirect: _ON_ANSWERS,
    ExpiredCertificate: frozenset({Place.CONNECTION}),
}
"""Where each fault can strike."""

WHEN_OPEN = (Close, Silent, Oversize)
"""Faults about messages: given for a connection or a handshake, they strike the open WebSocket."""


def check(fault: Fault, place: Place) -> None:
    """Make sure that a fault can strike there.

    Raises:
        TypeError: It cannot, and the text tells where it can. Or it is not a fault.
    """
    if type(fault) not in PLACES:
        raise TypeError(f"{fault!r} is not a fault of the kit: write an object such as Reset()")
    places = PLACES[type(fault)]
    if place not in places:
        belongs = "; ".join(each.value for each in Place if each in places)
        raise TypeError(f"{fault} does not strike {place.value}. It strikes {belongs}.")
