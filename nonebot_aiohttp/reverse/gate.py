"""Who is let in before any adapter is asked: the driver runs, no browser, not too many at once."""

from __future__ import annotations

import time
from ipaddress import ip_address

from yarl import URL

from ..drivers import HTTPConnection, HTTPRequest, HTTPResponse
from ..life.lifespan import Lifespan
from ..log import OnceInAWhile, logger
from ..options import DriverOptions
from .endpoints import RETRY_AFTER, Refused

QUIET_SECONDS = 10.0
"""Seconds for which the same refusal is not logged again: the internet knocks all day."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}


class Gate:
    """Lets requests in, counts those in work, and logs refusals, each kind once in a while.

    Attributes:
        lifespan: Tells whether events are taken in.
        inflight: Webhooks in work: requests that are asked for permission, and handlers. Who lets
            one in adds it, and takes it off again.
        limit: Webhooks that may be in work at once; and events of one WebSocket.
    """

    def __init__(self, options: DriverOptions, lifespan: Lifespan) -> None:
        """Begin with nobody inside."""
        self._allowed_origins = options.allowed_origins
        self.lifespan = lifespan
        self.inflight = 0
        self.limit = options.max_inflight
        self._lines = OnceInAWhile(QUIET_SECONDS, time.monotonic)

    def admit(self, connection: HTTPConnection) -> None:
        """Decide what needs neither the body nor an adapter: the one rule for all who come in.

        Args:
            connection: The request or the handshake.

        Raises:
            Refused: It is not let in.
        """
        if not self.lifespan.running:
            raise self.not_running()
        if "origin" in connection.headers and not self._is_allowed(connection):
            raise Refused(403, "requests of browsers are not allowed (aiohttp_allowed_origins)")
        if self.inflight >= self.limit and isinstance(connection, HTTPRequest):
            raise Refused(503, "too many events in flight", retry_after=str(RETRY_AFTER))

    def not_running(self) -> Refused:
        """Refuse because the driver has not started, or stops."""
        reason = f"the driver is {self.lifespan.state.value}"
        return Refused(503, reason, retry_after=str(RETRY_AFTER), connection="close")

    def refuse(self, name: str, refused: Refused) -> HTTPResponse:
        """Log a refusal, unless the same one was logged just now.

        Args:
            name: Whom the request was for; no text of the peer's.
            refused: The refusal. One below 400 is a challenge that an adapter answers.

        Returns:
            The response that says why.
        """
        text = f"Refused a request for {name} with {refused.status}: {refused.reason}"
        if refused.status >= 400:
            self.warn(text)
        return refused.response

    def warn(self, text: str) -> None:
        """Log a line, unless the same one was logged just now.

        Args:
            text: The line.
        """
        if self._lines.is_due(text):
            logger.warning("{}", text)

    def _is_allowed(self, connection: HTTPConnection) -> bool:
        origin, allowed = connection.headers["origin"], self._allowed_origins
        return "*" in allowed or origin in allowed or is_same_origin(origin, connection)


def is_same_origin(origin: str, connection: HTTPConnection) -> bool:
    """Tell whether a browser's page comes from where its request goes, beyond forgery.

    DNS rebinding lets any name point here, so only ``localhost`` and IP literals count.

    Args:
        origin: The ``Origin`` header (RFC 6454).
        connection: The request, with its ``Host`` header.

    Returns:
        Whether scheme, host and port are equal.
    """
    scheme = _PAGE_SCHEMES.get(connection.scheme, connection.scheme)
    try:
        page, here = URL(origin), URL(f"{scheme}://{connection.headers.get('host', '')}")
        port = here.port or _DEFAULT_PORTS[scheme]
        same = (page.scheme, page.host, page.port) == (scheme, here.host, port)
        return same and (here.host == "localhost" or bool(ip_address(here.host or "")))
    except (ValueError, KeyError):
        return False
