"""The WebSocket client loop: connect, read until the end, connect again."""

from __future__ import annotations

from typing import Any, NoReturn

import aiohttp
from yarl import URL

from ..adapters import Bot, create_bot
from ..connections.client_websocket import ClientWebSocket
from ..connections.closing import GOING_AWAY, NORMAL, TRY_AGAIN_LATER
from ..connections.handshakes import decoding
from ..connections.message_tasks import MessageTasks, TooManyTasks
from ..connections.records import FORWARD
from ..connections.redirects import Outgoing, following
from ..connections.schemes import websocket_scheme
from ..exceptions import DuplicateBotError, WebSocketClosed
from ..life.waiting import Stopped, race
from ..log import redact_url
from ..log.naming import connected_text, disconnected_text
from ..log.own import logger
from ..options import DriverOptions
from .base import ForwardLoop, connection_fields
from .setups import WEBSOCKET


class ReconnectLoop(ForwardLoop):
    """Keeps one WebSocket connected."""

    kind = FORWARD
    takes = WEBSOCKET
    interval = "reconnect_interval"

    async def attempt(self, setup: Any, adapter: type[Bot], url: URL) -> float:
        """Connect and serve the connection until its end."""
        timeout = self._supplies.options.handshake_timeout
        connecting = self._connect(setup, url)
        websocket = await self.within(connecting, timeout, "aiohttp_handshake_timeout")
        self._supplies.websockets.add(websocket)
        try:
            entering = self._enter(setup, adapter, websocket)
            bot = await race(entering, self._stopping, label=self.label, about=self.about)
            await self._serve(setup, url, bot, websocket)
        except Exception:
            # Nothing may read it: the stop came in between, or the adapter could not make the bot.
            await websocket.end(GOING_AWAY)
            raise
        finally:
            self._supplies.websockets.remove(websocket)

    async def _connect(self, setup: Any, url: URL) -> ClientWebSocket:
        pool, options = self._supplies.pool, self._supplies.options
        session, arguments = pool.for_loops(), connect_arguments(options)

        async def send(request: Outgoing) -> Any:
            return await session.ws_connect(request.url, headers=request.headers, **arguments)

        connected = await following(send, Outgoing("GET", url, setup.headers))
        fields = connection_fields(setup, url)
        fields["scheme"] = websocket_scheme(url.scheme)
        return ClientWebSocket(connected, options, http_version="1.1", **fields)

    async def _serve(self, setup: Any, url: URL, bot: Bot, websocket: ClientWebSocket) -> NoReturn:
        try:
            if self._stopping.is_set():
                # The stop has closed the sockets already, and would miss this one.
                raise Stopped
            if not self.connected(url):
                way = f"{self.kind}, {redact_url(url)}"
                logger.info("{}", connected_text(bot.self_id, setup.adapter, way), **self.about)
            tasks = MessageTasks(
                self._supplies.handlers,
                bot.handle_message,
                setup.adapter,
                bot,
                self._supplies.options.max_inflight,
            )
            try:
                await websocket.pump(tasks.start)
            except TooManyTasks as error:
                await websocket.end(TRY_AGAIN_LATER, str(error))
                raise WebSocketClosed(TRY_AGAIN_LATER, str(error)) from None
        except WebSocketClosed as closed:
            if self._stopping.is_set():
                # Otherwise the line on the next attempt says it.
                how = self.kind, closed.code, closed.reason
                text = disconnected_text(bot.self_id, setup.adapter, *how)
                logger.info("{}", text, **self.about)
            raise
        finally:
            self._supplies.connected_bots.disconnect(bot, setup.adapter)

    async def _enter(self, setup: Any, adapter: type[Bot], websocket: ClientWebSocket) -> Bot:
        driver = self._supplies.driver
        try:
            async with self._supplies.connected_bots.slot(setup.self_id):
                bot = create_bot(adapter, driver, setup.self_id, websocket)
                websocket.owner = setup.adapter
                connected = self._supplies.connected_bots
                connected.connect(bot, setup.adapter, self.kind, websocket)
        except DuplicateBotError:
            await websocket.end(NORMAL, "the bot is connected already")
            raise
        return bot


def connect_arguments(options: DriverOptions, *, decode_text: bool = False) -> dict[str, Any]:
    """Make the keyword arguments of ``ClientSession.ws_connect`` that come from the settings.

    Args:
        decode_text: Whether text frames are wanted as str rather than as bytes.
    """
    return {
        "autoclose": False,
        "autoping": False,
        "heartbeat": options.heartbeat,
        "compress": 15 if options.compress else 0,
        "max_msg_size": options.max_message_size,
        **_close_timeout(options.close_timeout),
        **decoding(decode_text),
    }


def _close_timeout(seconds: float) -> dict[str, Any]:
    if _WS_TIMEOUT is None:
        return {"timeout": seconds}
    return {"timeout": _WS_TIMEOUT(ws_receive=None, ws_close=seconds)}


# aiohttp has it since 3.11; before, a plain number is the timeout of the closing handshake.
_WS_TIMEOUT: Any = getattr(aiohttp, "ClientWSTimeout", None)
