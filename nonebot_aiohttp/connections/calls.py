"""``CallCounts``: how the HTTP requests of adapters have ended, by host.

Counted where aiohttp hands over the head of an answer. Its tracing would take an eighth of a call.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from yarl import URL

from ..log import loggable
from .interim import BoundedResponse

MOST_HOSTS = 32
"""Hosts that are told apart, because a user of a bot may choose to which hosts it goes."""

OTHER = "other"
"""Stands for all further hosts."""

_DEFAULT_PORTS = (None, 80, 443)
_LONGEST_HOST = 100

OK, REFUSED, FAILED, ERROR = range(4)
"""What became of a call: a status below 400, of 4xx, of 5xx, or no answer."""

ALARMING = (401, 429)
"""The 4xx that are about the bot: its token is refused, or it asks too much. Others are ordinary,
such as those about a message that a user has deleted, or a user who has blocked the bot."""


class CallCounts:
    """Counts calls.

    Attributes:
        total: All calls.
        unwell: Those that an operator should see: not answered, 5xx, or among ``ALARMING``.
    """

    def __init__(self) -> None:
        self.total = 0
        self.unwell = 0
        self._by_host: dict[tuple[str | None, int | None], list[int]] = {}

    def answered(self, url: URL, status: int) -> None:
        """Count a call that was answered."""
        if status < 400:
            self._add(url, OK)
            return
        self.unwell += status >= 500 or status in ALARMING
        self._add(url, REFUSED if status < 500 else FAILED)

    def failed(self, url: URL) -> None:
        """Count a call that has got no answer."""
        self.unwell += 1
        self._add(url, ERROR)

    def _add(self, url: URL, outcome: int) -> None:
        self.total += 1
        host = url.raw_host, url.port
        counts = self._by_host.get(host)
        if counts is None:
            if len(self._by_host) >= MOST_HOSTS:
                host = OTHER, None
            counts = self._by_host.setdefault(host, [0, 0, 0, 0])
        counts[outcome] += 1

    def by_host(self) -> list[tuple[str, list[int]]]:
        """List the hosts, each with how many calls had each outcome."""
        found: dict[str, list[int]] = {}
        for host, counts in self._by_host.items():
            # One host may have answered over both http and https.
            known = found.setdefault(_name(*host), [0, 0, 0, 0])
            known[:] = map(sum, zip(known, counts, strict=True))
        return [*found.items()]


def _name(host: str | None, port: int | None) -> str:
    name = loggable(host or "", _LONGEST_HOST)
    if ":" in name:
        name = f"[{name}]"
    return name if port in _DEFAULT_PORTS else f"{name}:{port}"


def response_class(calls: CallCounts) -> type[aiohttp.ClientResponse]:
    """Make the class of a session's responses, which counts them."""

    class Response(BoundedResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            try:
                response = await super().start(connection)
            except BaseException:
                calls.failed(self.url)
                raise
            calls.answered(self.url, response.status)
            return response

    return Response
