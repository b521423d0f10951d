"""Responses that have a ``Content-Type`` only if somebody has said one.

RFC 9110, section 8.3, leaves it to the sender whether there is one. aiohttp makes one up, by which
a browser saves a page instead of showing it.
"""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web


class _Untyped:
    __slots__ = ()

    async def _prepare_headers(self) -> None:
        # Private: aiohttp adds the type here, and right behind it sends the headers. The signal
        # on_response_prepare, between the two, is the application's, and ends the short way.
        headers: Any = self.headers  # type: ignore[attr-defined]
        had_type = hdrs.CONTENT_TYPE in headers
        await super()._prepare_headers()  # type: ignore[misc]
        if not had_type:
            headers.popall(hdrs.CONTENT_TYPE, None)


class UntypedStream(_Untyped, web.StreamResponse):
    """A response that is sent as its parts come."""


class UntypedResponse(_Untyped, web.Response):
    """A whole response."""
