"""``ClientWebSocket``: the client's side of a WebSocket over aiohttp."""

from __future__ import annotations

from typing import Any

import aiohttp

from ..options import DriverOptions
from .aiohttp_websocket import AiohttpWebSocket
from .unread import unread_message


class ClientWebSocket(AiohttpWebSocket):
    """The client's side: a bot that has connected to a platform."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        options: DriverOptions,
        **connection: Any,
    ) -> None:
        """Wrap a connection that stands.

        Args:
            socket: aiohttp's socket.
            options: The driver's settings.
            **connection: The fields of ``HTTPConnection``.
        """
        super().__init__(options, **connection)
        self._socket = socket
        # Private: aiohttp offers the client no way to abort, and its own close() of a half-open
        # connection leaves those who send waiting for ever. Without it they wait, no more.
        self._connection = getattr(getattr(socket, "_response", None), "connection", None)
        self._take(getattr(self._connection, "transport", None))

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, received or not, and no message waits any more."""
        # Not as `websockets`, which is closed before that: a loop until it is would lose them.
        return self._has_ended or (self.gone and not unread_message(self._socket))

    def _drop(self) -> None:
        super()._drop()
        if self._connection is not None:
            # aiohttp does not release what it finds aborted.
            self._connection.close()

    async def accept(self) -> None:
        """Do nothing: a client's connection is accepted by the other side."""
