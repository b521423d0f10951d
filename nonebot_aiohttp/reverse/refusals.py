"""Answers of the driver's own: refusals, each with a status, a reason and the line in the log."""

from __future__ import annotations

from ..drivers import HTTPResponse

RETRY_AFTER = 5
"""Seconds after which a platform should send an event again that was refused with 503."""


class Refused(Exception):
    """A request or a handshake is not let in.

    Attributes:
        reason: Why; the body of the response and a part of the line in the log.
        response: The response that says so.
    """

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        """Make the response; the names of further headers have underscores for hyphens."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = plain(status, reason, **fields)


def plain(status: int, text: str, **headers: str) -> HTTPResponse:
    """Make a response of the driver's own; the names of further headers are lowercased."""
    headers["content-type"] = "text/plain; charset=utf-8"
    # A reason may quote what the peer has sent, which is not always valid UTF-8.
    return HTTPResponse(status, text.encode(errors="replace"), headers)


def upgrade_required() -> Refused:
    """Refuse a plain request on the path of a WebSocket (RFC 9110, section 15.5.22)."""
    reason = "this is a WebSocket endpoint: send an upgrade request"
    return Refused(426, reason, upgrade="websocket", connection="upgrade")
