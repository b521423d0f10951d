"""Responses that have a ``Content-Type`` only if the adapter or the guest has set one.

RFC 9110, section 8.3, leaves to the sender whether there is one. aiohttp adds one that makes a
browser save a page instead of showing it.
"""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web


class _Untyped:
    __slots__ = ()

    async def _prepare_headers(self) -> None:
        # Private: aiohttp adds the type here and sends the headers right after. Between the two
        # is only the application's signal on_response_prepare, which would end the short way of
        # the own process.
        headers: Any = self.headers  # type: ignore[attr-defined]
        had_type = hdrs.CONTENT_TYPE in headers
        await super()._prepare_headers()  # type: ignore[misc]
        if not had_type:
            headers.popall(hdrs.CONTENT_TYPE, None)


class UntypedStream(_Untyped, web.StreamResponse):
    """A response that is sent part by part."""


class UntypedResponse(_Untyped, web.Response):
    """A response that is sent as a whole."""
