"""Faults: what goes wrong between a platform and a bot, once a test has asked for it.

A fault strikes a connection when the bot opens it (`Platform.next_connections`), a request
(`Route.fail`), a WebSocket that is open (`Connection.fail`), or what the platform itself begins
(``fault=`` of `Platform.post` and `Platform.connect`). Where one has no meaning it says so.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """The connection stays open, and nothing comes: no answer, no frame."""


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
        after: So many bytes to the bot still pass.
    """

    after: int = 10


@dataclass(frozen=True)
class Garbage(Fault):
    """Bytes come that are neither HTTP nor a WebSocket's frame.

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
        retry_after: The header ``Retry-After`` (RFC 9110, section 10.2.3): seconds, or a date as
            text; None is without it.
        body: The body.
    """

    status: int = 503
    retry_after: float | str | None = None
    body: bytes = b""


@dataclass(frozen=True)
class Redirect(Fault):
    """The answer leads elsewhere.

    Attributes:
        location: Where; a path stays on the platform.
        status: 301, 302, 303, 307 or 308.
    """

    location: str = "/elsewhere"
    status: int = 302


@dataclass(frozen=True)
class ExpiredCertificate(Fault):
    """The connection's certificate has expired; only where the platform speaks TLS."""
