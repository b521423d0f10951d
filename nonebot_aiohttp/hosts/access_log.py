"""The access log of the own process: one line a request, without queries and path secrets."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from ..log import redact_path


class AccessLog(AbstractAccessLogger):
    """Logs peer, method, path, status, bytes and seconds of each request.

    aiohttp's own class shows the whole target and the referer, in which platforms put tokens.
    """

    @property
    def enabled(self) -> bool:
        """Whether a line would be logged at all; aiohttp asks since 3.11."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request; see ``aiohttp.abc.AbstractAccessLogger``."""
        path, peer = redact_path(request.rel_url.raw_path), request.remote or "local"
        self.logger.info(
            "%s %s %s %d %d bytes %.3f s",
            peer,
            request.method,
            path,
            response.status,
            response.body_length,
            time,
            extra={"peer": peer},
        )
