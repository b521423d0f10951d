"""The application of operators: health, status, metrics and the page, for GET alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import hdrs, web

from ..connections.fairness import in_turns
from ..log.own import logger
from ..options import DriverOptions
from .access import Access
from .metrics import exposition
from .observer import Observer

A_TURN = 250
"""Bots that are written before the rest of the loop has its turn."""

MOST_IDS = 1000
"""Bots that ``/readyz?bots=`` asks for at most."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HEADERS = {
    hdrs.CACHE_CONTROL: "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def make_application(observer: Observer, options: DriverOptions) -> web.Application:
    """Make an application that tells of one driver; see ``Operated.operations``."""
    return _Application(observer, Access(options)).app


class _Application:
    def __init__(self, observer: Observer, access: Access) -> None:
        self._observer = observer
        self._access = access
        self.app = web.Application(middlewares=[self._guard])
        self.app.on_response_prepare.append(_add_headers)
        # Whatever needs the token is not in this set. So a path that leads to nothing needs it.
        self._open: set[object] = {self._livez, self._readyz}
        self._add("/livez", self._livez)
        self._add("/readyz", self._readyz)
        if access.has_token:
            # Not at the top, because most processes never show it; nor later, because it takes
            # up to 30 ms, which the event loop would have to wait.
            from .page import page_response

            self._page_response = page_response
            self._add("/", self._page)
            # Where a site mounts it at "/ops", this is "/ops" without a slash.
            self._add("", self._page)
            self._add("/status", self._status)
            self._add("/metrics", self._metrics)

    def _add(self, path: str, handler: _Handler) -> None:
        self.app.router.add_get(path, handler, allow_head=False)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        # aiohttp handles requests that come all at once in a row, without a turn for anybody else.
        await asyncio.sleep(0)
        self._access.check_host(request)
        is_open = request.match_info.handler in self._open and "bots" not in request.query
        if self._access.has_token and not is_open:
            self._access.check_token(request)
        return await handler(request)

    async def _livez(self, request: web.Request) -> web.Response:
        """Answer while the event loop turns."""
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        """Answer whether events are taken in, and whether certain bots are connected."""
        asked = request.query.getall("bots", None)
        if asked is not None and not self._access.has_token:
            raise web.HTTPNotFound
        if not self._observer.takes_events:
            return web.Response(status=503, text=f"{self._observer.state}\n")
        if missing := self._observer.missing(_ids_of(asked or [])):
            return web.Response(status=503, text=f"not connected: {', '.join(missing)}\n")
        return web.Response(text="ok\n")

    async def _status(self, request: web.Request) -> web.Response:
        """Give the status as JSON."""
        status = await self._observer.current(bots=True)
        fields = replace(status, bots=()).asdict()
        written = {name: _as_json(value) for name, value in fields.items()}
        # Some at a time, because there may be thousands.
        bots = [
            _as_json([bot.asdict() for bot in some])[1:-1]
            async for some in in_turns(status.bots, A_TURN)
        ]
        written["bots"] = f"[{', '.join(bots)}]"
        text = ", ".join(f"{_as_json(name)}: {value}" for name, value in written.items())
        return web.Response(text=f"{{{text}}}", content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        """Give the metrics of all drivers of this process; with ``bots=1`` of each bot."""
        accept = ", ".join(request.headers.getall(hdrs.ACCEPT, []))
        try:
            body, kind = await exposition(accept, request.query.get("bots") == "1")
        except ImportError as error:
            raise web.HTTPNotImplemented(text=f"{error}\n") from None
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})

    async def _page(self, request: web.Request) -> web.Response:
        """Show the page."""
        return await self._page_response(self._observer, request, logger.recent)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _ids_of(asked: list[str]) -> list[str]:
    """Read which bots are asked for.

    Raises:
        web.HTTPBadRequest: There are too many.
    """
    ids = [each.strip() for each in ",".join(asked).split(",") if each.strip()]
    if len(ids) > MOST_IDS:
        raise web.HTTPBadRequest(text=f"ask for {MOST_IDS} bots at most, not {len(ids)}")
    return ids


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
