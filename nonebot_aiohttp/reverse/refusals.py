"""Answers of the driver's own: refusals, each with a status, a reason and the line in the log."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ..drivers import HTTPResponse
from ..exceptions import DuplicateBotError

RETRY_AFTER = 5
"""Seconds after which a platform should send an event again that was refused with 503."""


REFUSED = "the adapter refused"
"""Why, if the adapter does not say more."""

TYPE = "content-type"

CLIENT_GONE = "the client went away before the body was complete"
"""Why a request is refused whose peer does not hear of it."""


class Refused(Exception):
    """A request or a handshake is not let in.

    Attributes:
        reason: Why; the body of the response and a part of the line in the log.
        detail: What only the log says: what of the request was refused.
        level: The level of the line in the log.
        kind: The reason without what differs each time, for the count of refusals.
        is_adapters: Whether an adapter has worded the reason.
        bot: The id of the bot that the reason names; empty if it names none.
        response: The response that says so.
    """

    level = "WARNING"
    is_adapters = False
    bot = ""

    def __init__(
        self, status: int, reason: str, detail: str = "", kind: str = "", **headers: str
    ) -> None:
        """Make the response; the names of further headers have underscores for hyphens."""
        super().__init__(reason)
        self.kind = kind or reason
        self.status = status
        self.reason = reason
        self.detail = detail
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = plain(status, reason, **fields)


class Unremarkable(Refused):
    """A refusal that browsers, scanners and lost connections cause every day."""

    level = "INFO"


class AlreadyConnected(Refused):
    """Another connection holds the bot's id."""

    def __init__(self, error: DuplicateBotError) -> None:
        """Refuse as the error says."""
        super().__init__(409, str(error), kind="the bot is connected already")
        self.bot = error.self_id


class RefusedByAdapter(Refused):
    """An adapter has made the response that refuses a request or a handshake."""

    is_adapters = True

    def __init__(self, answer: HTTPResponse, reason: str = "") -> None:
        """Take the response, and the reason if that is not in it."""
        super().__init__(answer.status, reason or _reason_in(answer), kind=REFUSED)
        self.response = answer


def address_of(source: Any) -> Any:
    """Return the address of a request's peer, for ``log.naming.peer_name``.

    Args:
        source: The request of aiohttp, or the scope of ASGI; None if neither is known.
    """
    if source is None:
        return None
    if isinstance(source, web.BaseRequest):
        return source.remote
    client = source.get("client")
    return client[0] if client else ""


def plain(status: int, text: str, **headers: str) -> HTTPResponse:
    """Make a response of the driver's own; the names of further headers are lowercased."""
    headers["content-type"] = "text/plain; charset=utf-8"
    # A reason may quote what the peer has sent, which is not always valid UTF-8.
    return HTTPResponse(status, text.encode(errors="replace"), headers)


def upgrade_required() -> Refused:
    """Refuse a plain request on the path of a WebSocket (RFC 9110, section 15.5.22)."""
    reason = "this is a WebSocket endpoint: send an upgrade request"
    return Refused(426, reason, upgrade="websocket", connection="upgrade")


_LOOKED_AT = 1000
# Bytes of a body in which its first line must begin.


def _reason_in(answer: HTTPResponse) -> str:
    """Read why an adapter refuses: the first line of its response, if that is text or JSON."""
    kind = next((value for name, value in answer.headers.items() if name.lower() == TYPE), "")
    if kind and not kind.lower().startswith(("text/plain", "application/json")):
        return REFUSED
    lines = (answer.body or b"")[:_LOOKED_AT].decode(errors="replace").splitlines()
    return next(filter(None, map(str.strip, lines)), REFUSED)
