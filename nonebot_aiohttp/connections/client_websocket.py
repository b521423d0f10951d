"""``ClientWebSocket``: the side of the client of a WebSocket over aiohttp."""

from __future__ import annotations

from typing import Any

import aiohttp

from ..options import DriverOptions
from .aiohttp_websocket import AiohttpWebSocket
from .unread import unread_message


class ClientWebSocket(AiohttpWebSocket):
    """The side of the client: the bot has connected to a platform."""

    def __init__(
        self,
        wrapped: aiohttp.ClientWebSocketResponse,
        options: DriverOptions,
        **connection: Any,
    ) -> None:
        """Wrap an open connection."""
        super().__init__(options, **connection)
        self._wrapped = wrapped
        # Private, because aiohttp offers the client no way to abort a connection. Its close() of a
        # half-open one leaves the tasks that send waiting for ever. Without the attribute they do
        # wait, and nothing else changes.
        self._connection = getattr(getattr(wrapped, "_response", None), "connection", None)
        self._use_transport(getattr(self._connection, "transport", None))

    @property
    def closed(self) -> bool:
        """Whether the connection has ended and all messages are received."""
        # A loop that receives until this is True must get the last messages. (The package
        # `websockets` reports a close before they are received.)
        return self._has_ended or (self.gone and not unread_message(self._wrapped))

    def _drop(self) -> None:
        super()._drop()
        if self._connection is not None:
            # aiohttp does not release a connection that was aborted.
            self._connection.close()

    async def accept(self) -> None:
        """Do nothing: the other side has accepted the connection."""
