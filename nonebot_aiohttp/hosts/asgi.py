"""``AsgiApplication``: the driver as an ASGI 3 application (https://asgi.readthedocs.io)."""

from __future__ import annotations

from typing import Any

from ..connections.asgi_websocket import Receive, Send
from ..life.lifespan import Lifespan
from ..log.own import logger
from ..reverse.asgi_transport import AsgiTransport, Scope
from .application import FASTAPI_NAMES, refuse_fastapi
from .failed_start import log_failed_start


class AsgiApplication:
    """Starts and stops the driver by lifespan events, and hands connections to its transport."""

    def __init__(
        self,
        transport: AsgiTransport,
        lifespan: Lifespan,
        *,
        fastapi_hint: str = "",
        advice: str = "",
    ) -> None:
        """Make the application.

        Args:
            fastapi_hint: See ``DriverApplication``.
            advice: Logged once when an ASGI server runs the driver, unless it is empty.
        """
        self._transport = transport
        self._lifespan = lifespan
        self._fastapi_hint = fastapi_hint
        self._advice = advice
        self._told = False

    def __getattr__(self, name: str) -> Any:
        if name == "get" or name in FASTAPI_NAMES:
            refuse_fastapi("an ASGI application", name, self._fastapi_hint)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            self._look_at_host()
            await self._transport.serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._give_advice()
        try:
            await self._lifespan.start()
        except Exception as error:
            log_failed_start(error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._lifespan.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _give_advice(self) -> None:
        advice, self._advice = self._advice, ""
        if advice:
            logger.warning("{}", advice)

    def _look_at_host(self) -> None:
        """Log once that the host has not started the driver, if that is so."""
        if self._advice:
            self._give_advice()
        if self._lifespan.is_idle and not self._told:
            self._told = True
            logger.error(
                "A request arrived before the driver was started: the ASGI host sends no lifespan"
                " events, so run `async with driver.lifespan()` in its own lifespan"
            )
