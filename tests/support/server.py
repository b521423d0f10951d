"""A raw server that treats each attempt to connect according to a script."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field

from tests.support import frames, wire
from tests.support.frames import Frame
from tests.support.peer import Peer, Streams
from tests.support.waiting import DEADLINE, eventually, within
from tests.support.wire import Headers, Request


@dataclass
class Attempt:
    """The result of one attempt to connect; attempts are counted from 1.

    Attributes:
        error: Why the connection broke, such as a refused certificate or a reset.
        ended: Whether its script has ended and the connection is closed.
    """

    number: int
    requests: list[Request] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    error: Exception | None = None
    ended: bool = False

    @property
    def request(self) -> Request:
        """The first request."""
        assert self.requests, f"attempt {self.number} brought no request"
        return self.requests[0]


class Connection(Peer):
    """The server's end of an attempt; it records what it reads."""

    # A script waits for its client without a limit.
    patience = None

    def __init__(self, transport: asyncio.Transport, streams: Streams, attempt: Attempt) -> None:
        super().__init__(transport, streams)
        self.attempt = attempt

    async def read_request(self) -> Request:
        """Read a request with its body."""
        request = await wire.read_request(self.reader)
        self.attempt.requests.append(request)
        return request

    async def respond(self, code: int, body: bytes = b"", headers: Headers = ()) -> None:
        """Send a whole response, after which the connection closes."""
        fixed = {"Content-Length": str(len(body)), "Connection": "close"} | dict(headers)
        await self.send(wire.encode_message(wire.status_line(code), fixed, body))

    async def upgrade(self, headers: Headers = ()) -> Request:
        """Read the request of a WebSocket handshake and accept it."""
        request = await self.read_request()
        fixed = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": frames.accept_key(request.header("Sec-WebSocket-Key") or ""),
        }
        await self.send(wire.encode_message(wire.status_line(101), fixed | dict(headers)))
        return request

    async def read_frame(self) -> Frame:
        """Read the next frame."""
        frame = await super().read_frame()
        self.attempt.frames.append(frame)
        return frame


Script = Callable[[Connection], Coroutine[None, None, None]]
"""Treats one attempt; the connection closes when it returns."""


class ScriptedServer:
    """Listens on a port of 127.0.0.1; attempt N gets script N, and later ones the last script.

    A test may change the scripts at any time.
    """

    def __init__(
        self, *scripts: Script, ssl_context: ssl.SSLContext | None = None, listening: bool = True
    ) -> None:
        """Without `listening` it refuses connections until `listen()`."""
        self.scripts: Sequence[Script] = scripts
        self.attempts: list[Attempt] = []
        self.port = 0
        self._ssl_context = ssl_context
        self._listen_at_start = listening
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    @property
    def url(self) -> str:
        """The address with the scheme `http` or `https`, without a slash at the end."""
        return f"http{'s' if self._ssl_context else ''}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address with the scheme `ws` or `wss`, without a slash at the end."""
        return "ws" + self.url[len("http") :]

    async def __aenter__(self) -> ScriptedServer:
        self._bind()
        if self._listen_at_start:
            await self.listen()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        await self._stop_accepting()
        await self._cancel(*self._handlers)
        if self._failures and error is None:
            raise self._failures[0]

    async def listen(self) -> None:
        """Accept connections from now on."""
        assert self._socket is not None
        self._socket.listen(128)
        self._accepting = asyncio.create_task(self._accept())

    async def refuse(self) -> None:
        """Refuse connections from now on; open ones stay, and refusals are not counted."""
        await self._stop_accepting()
        self._bind()

    async def attempt(self, number: int, timeout: float = DEADLINE) -> Attempt:
        """Wait until attempt `number`, counted from 1, has connected."""
        await eventually(
            lambda: len(self.attempts) >= number, timeout, f"attempt {number} to connect"
        )
        return self.attempts[number - 1]

    async def request(self, number: int, timeout: float = DEADLINE) -> Request:
        """Wait until attempt `number` has sent its first request."""
        attempt = await self.attempt(number, timeout)
        await eventually(lambda: attempt.requests, timeout, f"the request of attempt {number}")
        return attempt.request

    def _bind(self) -> None:
        self._socket = _bound_socket(self.port)
        self.port = self._socket.getsockname()[1]

    async def _stop_accepting(self) -> None:
        if self._accepting is not None:
            await self._cancel(self._accepting)
        if self._socket is not None:
            self._socket.close()

    async def _cancel(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await within(asyncio.gather(*tasks, return_exceptions=True))

    async def _accept(self) -> None:
        assert self._socket is not None
        while True:
            raw, _ = await asyncio.get_running_loop().sock_accept(self._socket)
            self._begin(raw)

    def _begin(self, raw: socket.socket) -> None:
        attempt = Attempt(len(self.attempts) + 1)
        self.attempts.append(attempt)
        handler = asyncio.create_task(self._handle(raw, attempt))
        self._handlers.add(handler)
        handler.add_done_callback(self._forget)
        # A handler that is cancelled before it begins does not close its socket.
        handler.add_done_callback(lambda _: raw.close())

    def _forget(self, handler: asyncio.Task[None]) -> None:
        self._handlers.discard(handler)
        if not handler.cancelled() and (failure := handler.exception()) is not None:
            self._failures.append(failure)

    async def _handle(self, raw: socket.socket, attempt: Attempt) -> None:
        script = self.scripts[min(attempt.number, len(self.scripts)) - 1]
        streams = Streams()
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: streams, raw, ssl=self._ssl_context
            )
            await self._play(script, Connection(transport, streams, attempt))
        except (OSError, EOFError) as error:
            # The peer left or refused the certificate, as some tests want.
            attempt.error = error
        finally:
            attempt.ended = True

    async def _play(self, script: Script, connection: Connection) -> None:
        try:
            await script(connection)
            await connection.close()
        finally:
            connection.abort()


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 that refuses connections and stays reserved."""
    with _bound_socket(0) as bound:
        yield bound.getsockname()[1]


def _bound_socket(port: int) -> socket.socket:
    """Return a socket that is bound but does not listen: connections to it are refused."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setblocking(False)
    # On Windows this option would let another process take the port.
    if os.name == "posix":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
