"""``Life``: a platform from the begin to the end of its block, and what was wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from ..common.journal import Journal, Reader
from ..common.timeline import PLATFORM, timeline
from ..wire.background import Background
from ..wire.certificates import Certificates
from ..wire.door import Door
from ..wire.listeners import Listener
from ..wire.proxy import Proxy, environment
from .client import Client
from .problems import FunctionFailed, Problems, UnexpectedRequests, UnusedReplies
from .routes import Route
from .seen import Call
from .server import Server, WebSocketRoute
from .websockets import Connection

if TYPE_CHECKING:
    from typing_extensions import Self

_ENDING = 15.0
"""Seconds for the platform's own end; only a failure takes them."""


class Life:
    """The base of `Platform`: it begins, listens, refuses for a while, ends, and is judged.

    Attributes:
        calls: The requests so far, the oldest first; handshakes of WebSockets are among them.
        connections: The WebSockets so far which the bot has opened.
    """

    def __init__(
        self,
        *,
        hosts: Iterable[str] = (),
        tls: bool = False,
        allow_unexpected: bool = False,
        allow_unused: bool = False,
    ) -> None:
        """Make a platform; it begins with its block.

        Args:
            hosts: Hosts that it plays beside 127.0.0.1, such as ``api.telegram.org``. Bots reach
                it there by a proxy and a certificate that are named in `environment`. A bot has
                one environment, so that one platform plays all hosts of a test: ``host=`` of
                `on`, `updates` and `websocket` tells them apart.
            tls: Whether `url` is https.
            allow_unexpected: Whether the bot may send requests that no route is for. They are
                answered 501.
            allow_unused: Whether a reply or a fault may stay unused.
        """
        self.calls: Journal[Call] = Journal()
        self.connections: Journal[Connection] = Journal()
        self._hosts = tuple(hosts)
        self._tls = tls
        self._allow_unexpected = allow_unexpected
        self._allow_unused = allow_unused
        self._background = Background("nonebot-testing-platform", self._close)
        self._problems = Problems()
        self._certificates: Certificates | None = None
        self._door = Door()
        proxy = Proxy(self._hosts, self._door, self._problems.unexpected)
        failed = self._problems.failed
        self._plain = Listener(self._door.serve, failed)
        self._secure = Listener(self._door.serve_secure, failed)
        self._proxy = Listener(proxy.serve, failed)
        self._server = Server(
            self._background, self._door, self._problems, self.calls, self.connections
        )
        self._client = Client(self._background, self._problems)
        self._taking = Reader(self.calls)
        self._arriving = Reader(self.connections)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 in `url`, the same after a restart."""
        port = (self._secure if self._tls else self._plain).port
        if not port:
            raise RuntimeError("a platform has no port before its block: async with platform: ...")
        return port

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address for WebSockets, without a slash at its end."""
        return f"ws{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a bot reaches the hosts, and trusts the certificates."""
        found: dict[str, str] = {}
        if self._certificates is not None:
            found |= self._certificates.environment
        if self._proxy.port:
            found |= environment(self._proxy.port)
        return found

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function on the platform's event loop, where functions that answer run."""
        self._background.soon(function)

    async def stop(self) -> None:
        """End all connections and refuse new ones, as a platform that is down; keep the port."""
        timeline.note(PLATFORM, "the platform stops")
        await self._background.call(self._shut())

    async def start(self) -> None:
        """Come back at the same address after `stop`.

        Raises:
            RuntimeError: It is there already.
            OSError: Another process has taken its port.
        """
        if self._plain.is_open:
            raise RuntimeError(
                "the platform runs already: its block has started it, and start() comes after"
                " stop()"
            )
        await self._background.call(self._open())
        timeline.note(PLATFORM, "the platform starts")

    async def restart(self, after: float = 0.0) -> None:
        """Stop, and come back at the same address.

        Args:
            after: Seconds during which connections are refused.
        """
        await self.stop()
        await asyncio.sleep(after)
        await self.start()

    def __enter__(self) -> Self:
        self._background.start()
        try:
            if self._tls or self._hosts:
                self._certificates = self._door.certificates = Certificates(self._hosts)
            self._background.wait(self._begin(), _ENDING)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._judge(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # The bot may live on this loop: it goes on while its connections end.
            await self._background.call_within(self._close(), _ENDING)
        finally:
            self._end()
        self._judge(error)

    def check(self) -> None:
        """Raise what is wrong so far.

        Raises:
            FunctionFailed: A function of the test has failed.
            UnexpectedRequests: Nobody has expected some of the bot's requests.
            UnusedReplies: Some replies were never used.
        """
        if self._problems.errors:
            error = self._problems.errors[0][1]
            raise FunctionFailed(_listed(self._problems.tracebacks)) from error
        if self._problems.complaints and not self._allow_unexpected:
            raise UnexpectedRequests(_listed(self._problems.complaints))
        if self._unused and not self._allow_unused:
            raise UnusedReplies(_listed(self._unused))

    @property
    def _unused(self) -> list[str]:
        routes: list[Route | WebSocketRoute] = [*self._server.routes, *self._server.websockets]
        found = [route.problem for route in routes if route.problem]
        return found + [f"{fault} has struck no connection" for fault in self._door.unused]

    def _judge(self, error: BaseException | None) -> None:
        """Raise what is wrong, unless the test has failed already, which it may have led to."""
        if error is None:
            self.check()
            return
        problems = [*self._problems.tracebacks, *self._problems.complaints]
        # Python 3.10 has no notes.
        if problems and hasattr(error, "add_note"):
            error.add_note("\n".join(["The platform has seen besides:", *problems]))

    async def _begin(self) -> None:
        self._door.target = await self._server.open()
        await self._client.open()
        await self._open()

    async def _open(self) -> None:
        try:
            for listener in self._listeners:
                await listener.open()
        except BaseException:
            await self._shut()
            raise

    async def _shut(self) -> None:
        for listener in self._listeners:
            await listener.shut()

    @property
    def _listeners(self) -> list[Listener]:
        secure = [self._secure] if self._certificates is not None else []
        return [self._plain, *secure, *([self._proxy] if self._hosts else [])]

    def _end(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._certificates is not None:
                stack.callback(self._certificates.close)
            stack.callback(self._background.stop)
            self._background.wait(self._close(), _ENDING)

    async def _close(self) -> None:
        await self._client.close()
        for listener in self._listeners:
            await listener.close()
        await self._server.close()


def _listed(problems: Iterable[str]) -> str:
    return "\n".join([*problems, "", timeline.render()])
