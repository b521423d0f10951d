"""``Gate``: the one rule for who comes in before any adapter is asked.

The driver runs, no browser sends the request, and there are not too many at once. Webhooks and
WebSockets of each face and transport come through ``admit``. An application behind the endpoints'
own paths has rules of its own for the rest, and comes through ``check_running``.
"""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address
from typing import Any

from yarl import URL

from ..connections.schemes import http_scheme
from ..drivers import HTTPConnection, HTTPRequest, HTTPResponse
from ..life.lifespan import Lifespan
from ..log import OnceInAWhile, loggable
from ..log.naming import about, peer_name
from ..log.own import logger
from ..log.redaction import loggable_reason
from ..options import DriverOptions
from .refusals import RETRY_AFTER, Refused, address_of

QUIET_SECONDS = 10.0
"""Seconds for which the same refusal is not logged again, because strangers knock all day."""

LONGEST_WHY = 200
"""Characters that a line says about why; peers and adapters can make up a reason."""

MOST_REASONS = 64
"""Reasons for which refusals are counted one by one."""

OTHER = "other"
"""Stands for all further reasons."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Gate:
    """Lets requests in, counts those in flight, and logs refusals, each kind once in a while.

    Attributes:
        lifespan: Tells whether the driver runs.
        inflight: Webhooks that an adapter decides on, or whose handler runs.
        refused: How many requests and handshakes were refused, by the reason.
        limit: Webhooks that may be in flight at once, and events of one WebSocket.
    """

    def __init__(self, options: DriverOptions, lifespan: Lifespan) -> None:
        self._allowed_origins = options.allowed_origins
        self.lifespan = lifespan
        self.inflight = 0
        self.refused: dict[str, int] = {}
        self.limit = options.max_inflight
        self._lines = OnceInAWhile(QUIET_SECONDS, time.monotonic)

    def admit(self, connection: HTTPConnection) -> None:
        """Decide what needs neither the body nor an adapter.

        Raises:
            Refused: The request or the handshake is not let in.
        """
        self.check_running()
        if "origin" in connection.headers and not self._is_allowed(connection):
            reason = "requests of browsers are not allowed (aiohttp_allowed_origins)"
            raise Refused(403, reason, detail=connection.headers["origin"])
        if self.inflight >= self.limit and isinstance(connection, HTTPRequest):
            raise Refused(503, "too many events in flight", retry_after=str(RETRY_AFTER))

    def check_running(self) -> None:
        """Refuse while the driver does not run; it may have stopped while an adapter decided.

        Raises:
            Refused: The driver has not started, or stops.
        """
        if not self.lifespan.takes_events:
            reason = f"the driver is {self.lifespan.state.value}"
            raise Refused(503, reason, retry_after=str(RETRY_AFTER), connection="close")

    def enter(self) -> None:
        """Count a webhook in flight: a request that an adapter decides on, or its handler."""
        self.inflight += 1

    def leave(self, _task: asyncio.Task[Any] | None = None) -> None:
        """Count a webhook in flight no more; serves as the callback of the handler's task."""
        self.inflight -= 1

    def refuse(
        self, what: str, refused: Refused, source: Any = None, adapter: str = ""
    ) -> HTTPResponse:
        """Log a refusal, unless the same one was logged just now, and give its response.

        A status below 400 is a challenge that an adapter answers, which is not logged.

        Args:
            what: What the request was, such as ``"a webhook of my"``; must not be the peer's text.
            source: See ``address_of``.
            adapter: The adapter's name; empty if none is meant.
        """
        if refused.status >= 400:
            self._count(refused.kind)
            why = f"{refused.reason}: {refused.detail}" if refused.detail else refused.reason
            address, kind = address_of(source), f"{what} {refused.status}"
            # The texts are cleaned only for the log, because a flood of refusals must be cheap.
            if self._lines.is_due(f"{address} {why}", kind):
                clean = loggable_reason if refused.is_adapters else loggable
                peer, why = peer_name(address), clean(why, LONGEST_WHY)
                text, whose = "Refused {} from {} with {}: {}", about(adapter, refused.bot, address)
                logger.log(refused.level, text, what, peer, refused.status, why, **whose)
        return refused.response

    def _count(self, kind: str) -> None:
        if kind not in self.refused and len(self.refused) >= MOST_REASONS:
            kind = OTHER
        self.refused[kind] = self.refused.get(kind, 0) + 1

    def warn(self, text: str, adapter: str, source: Any = None) -> None:
        """Log a line about an adapter, unless the same one was logged just now."""
        if self._lines.is_due(text):
            logger.warning("{}", text, **about(adapter, peer=address_of(source)))

    def _is_allowed(self, connection: HTTPConnection) -> bool:
        origin, allowed = connection.headers["origin"], self._allowed_origins
        return "*" in allowed or origin in allowed or is_same_origin(origin, connection)


def is_same_origin(origin: str, connection: HTTPConnection) -> bool:
    """Tell whether a page comes from the scheme, host and port that its request goes to.

    DNS rebinding lets any name point here, so only ``localhost`` and IP addresses count.

    Args:
        origin: The ``Origin`` header (RFC 6454).
    """
    scheme = http_scheme(connection.scheme)
    try:
        page, here = URL(origin), URL(f"{scheme}://{connection.headers.get('host', '')}")
        port = here.port or _DEFAULT_PORTS[scheme]
        same = (page.scheme, page.host, page.port) == (scheme, here.host, port)
        return same and (here.host == "localhost" or bool(ip_address(here.host or "")))
    except (ValueError, KeyError):
        return False
