"""What a transport asks of the endpoints behind it, so that every transport serves every face."""

from __future__ import annotations

import abc
import re
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from ..connections.websocket import DriverWebSocket
from ..drivers import HTTPConnection, HTTPRequest, HTTPResponse
from .headers import Received

RETRY_AFTER = 5
"""Seconds after which a platform should send an event again that was refused with 503."""


class Refused(Exception):
    """A request that is not let in, with the response that says why.

    Attributes:
        status: The status of the response.
        reason: Why; the body of the response and the line in the log.
        response: The response.
    """

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        """Say why.

        Args:
            status: The status of the response.
            reason: Why.
            **headers: More headers, underscores for hyphens.
        """
        super().__init__(reason)
        self.status = status
        self.reason = reason
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = plain(status, reason, **fields)


def plain(status: int, text: str, **headers: str) -> HTTPResponse:
    """Make a response of the driver's own.

    Args:
        status: Its status.
        text: What it says.
        **headers: More headers, lowercased.

    Returns:
        The response.
    """
    headers["content-type"] = "text/plain; charset=utf-8"
    # A reason may name what the peer has sent, which is no UTF-8 always.
    return HTTPResponse(status, text.encode(errors="replace"), headers)


class Target(Protocol):
    """What a path and a method lead to."""

    @property
    def is_websocket(self) -> bool:
        """Whether it is a WebSocket endpoint; else it is a webhook."""


@dataclass(frozen=True)
class Mismatch:
    """A path that is known, but not with that method.

    Attributes:
        target: What the path leads to with another method.
        allowed: The methods that it allows.
    """

    target: Any
    allowed: frozenset[str]

    def refused(self) -> Refused:
        """Refuse the method (RFC 9110, section 15.5.6)."""
        return Refused(405, "method not allowed", allow=", ".join(sorted(self.allowed)))


def is_exact(found: Target | Mismatch | None, upgrade: bool) -> bool:
    """Tell whether a request is just what a target is for, so that no guest could be meant.

    Args:
        found: What ``Endpoints.find`` has returned.
        upgrade: Whether the request asks for a WebSocket.
    """
    return found is not None and not isinstance(found, Mismatch) and found.is_websocket == upgrade


class Endpoints(abc.ABC):
    """The endpoints of one face, free of any transport.

    Attributes:
        decode_text: Whether this face wants text frames as str rather than as bytes.
        webhooks: The webhooks that ``find`` has found for POST requests, by path, and would find
            again: the own process takes them past aiohttp's router.
    """

    decode_text = False

    def __init__(self) -> None:
        """Begin without targets."""
        self.webhooks: dict[str, Any] = {}

    @abc.abstractmethod
    def find(self, path: str, method: str, upgrade: bool) -> Target | Mismatch | None:
        """Find what a request is for, and keep it in ``webhooks`` if it stays.

        Args:
            path: The path below the driver's prefix, decoded but for slashes; see ``decoded``.
            method: The HTTP method.
            upgrade: Whether the request asks for a WebSocket.

        Returns:
            The target; or why the method does not fit it; or None for an unknown path.
        """

    @abc.abstractmethod
    def is_served(self, target: Any) -> bool:
        """Tell whether somebody stands behind a target that ``find`` has returned."""

    @abc.abstractmethod
    def refuse(self, target: Any, refused: Refused) -> HTTPResponse:
        """Log what a transport refuses by itself.

        Args:
            target: What ``find`` has returned.
            refused: The refusal.

        Returns:
            The response that says why.
        """

    @abc.abstractmethod
    def unavailable(self, target: Any, connection: HTTPConnection) -> HTTPResponse | None:
        """Refuse, before a body is waited for, what nobody takes now.

        Args:
            target: What ``find`` has returned.
            connection: The request, without its body; or the handshake.

        Returns:
            The response that says why; None to go on.
        """

    def refuse_method(self, found: Mismatch) -> HTTPResponse:
        """Refuse a method, or a path behind which nobody stands.

        Args:
            found: What ``find`` has returned.

        Returns:
            The response that says why.
        """
        known = self.is_served(found.target)
        return self.refuse(found.target, found.refused() if known else Refused(404, "not found"))

    @abc.abstractmethod
    def headers(self, received: Received) -> Any:
        """Make the header mapping that the requests of this face have.

        Args:
            received: Names, in whatever case, and values in the order of the request.
        """

    @abc.abstractmethod
    async def http(self, target: Any, request: HTTPRequest) -> HTTPResponse:
        """Answer one HTTP request.

        Args:
            target: What ``find`` has returned.
            request: The request, with the whole of its body.

        Returns:
            The response; duck-typed where an adapter made it.
        """

    @abc.abstractmethod
    async def websocket(self, target: Any, socket: DriverWebSocket) -> HTTPResponse | None:
        """Serve one WebSocket from the handshake to its end.

        Args:
            target: What ``find`` has returned.
            socket: The connection, not accepted yet.

        Returns:
            None after the end of an accepted connection; else the response that refuses it.
        """


_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


def decoded(raw_path: str) -> str:
    """Decode a path for ``Endpoints.find``.

    An encoded slash separates nothing (RFC 3986, section 2.2): a proxy that lets ``/onebot/ws``
    through to some only has not read ``/onebot%2Fws`` as that.

    Args:
        raw_path: The path as it came, without its query.

    Returns:
        The path, in which ``%2F`` stands for a slash that was encoded.
    """
    if "%" not in raw_path:
        return raw_path
    return "%2F".join(map(unquote, _ENCODED_SLASH.split(raw_path)))


def upgrade_required() -> Refused:
    """Refuse a plain request on the path of a WebSocket (RFC 9110, section 15.5.22)."""
    reason = "this is a WebSocket endpoint: send an upgrade request"
    return Refused(426, reason, upgrade="websocket", connection="upgrade")
