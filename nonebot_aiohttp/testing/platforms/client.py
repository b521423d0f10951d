"""What a platform begins itself: webhooks, and WebSockets to the bot."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ..common.journal import DEADLINE
from ..common.owned import own
from ..common.timeline import PLATFORM, shown, timeline
from ..wire.background import Background
from ..wire.faults import WHEN_OPEN, Cut, Fault, Oversize
from ..wire.frames import filling
from ..wire.outbound import Relay
from .bodies import Body
from .problems import Problems
from .seen import Call
from .websockets import Connection, keep

Signing = Callable[[bytes], Mapping[str, str]]
"""Makes headers, such as a signature, of a body."""


@dataclass(frozen=True)
class Answer(Body):
    """The bot's answer to a webhook: its status, its headers, its body.

    A header that comes more than once has all its values in ``headers.getall("set-cookie")``.
    """

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class NoAnswer(ConnectionError):
    """The bot has not answered a request: the connection failed, or the deadline has passed."""


class Refused(ConnectionError):
    """The bot has refused a WebSocket.

    Attributes:
        status: The status of its answer.
        headers: The headers of its answer, as in `Answer`.
        body: The body of its answer; empty where the connection is encrypted.
    """

    def __init__(self, url: str, status: int, headers: CIMultiDictProxy[str], body: bytes) -> None:
        """Take where the WebSocket should have been, and the answer."""
        super().__init__(
            f"the bot has refused a WebSocket at {url} with {status} {shown(body)}".rstrip()
        )
        self.status = status
        self.headers = headers
        self.body = body


class Client:
    """A platform's client, each of whose requests has a connection and a relay of its own."""

    def __init__(self, background: Background, problems: Problems) -> None:
        """Send from that event loop."""
        self._background = background
        self._problems = problems
        self._session: aiohttp.ClientSession | None = None
        self._readers: set[asyncio.Task[None]] = set()
        self._relays: set[Relay] = set()
        self._count = 0

    async def open(self) -> None:
        """Begin a session without cookies."""
        # Bots under test have certificates of their own. The other resolver of aiohttp, which
        # nobody asks here, would leave a thread.
        connector = aiohttp.TCPConnector(
            force_close=True, ssl=False, resolver=aiohttp.ThreadedResolver()
        )
        self._session = own(
            aiohttp.ClientSession(
                connector=own(connector), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        )

    async def close(self) -> None:
        """End the session and all connections."""
        # First, so that nobody waits for a bot's closing handshake.
        for relay in list(self._relays):
            await relay.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        fault: Fault | None,
        deadline: float | None,
    ) -> Answer:
        """Send a request and return the answer; `Platform.post` has the meaning."""
        assert self._session is not None
        timeline.note(PLATFORM, f"{method} {url} {shown(body)}{f' {fault}' if fault else ''}")
        seconds = DEADLINE if deadline is None else deadline
        # aiohttp warns about large bytes.
        data: io.BytesIO | AsyncIterator[bytes] = io.BytesIO(body)
        if isinstance(fault, Cut) and body:
            # Something has to be missing.
            fault = Cut(min(fault.after, len(body) - 1))
        if isinstance(fault, Oversize):
            data, length, fault = _grown(body, fault.size), max(len(body), fault.size), None
            headers = {"Content-Length": str(length), **headers}
        try:
            async with (
                self._relay(URL(url), fault, has_body=bool(body)) as relay,
                self._session.request(
                    method,
                    relay.url,
                    data=data,
                    headers={"Host": relay.host, **headers},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(seconds),
                ) as got,
            ):
                answer = Answer(got.status, _kept(got.headers), await got.read())
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            timeline.note(PLATFORM, f"{method} {url} had no answer: {error!r}")
            raise NoAnswer(f"{method} {url} had no answer: {error!r}") from error
        timeline.note(PLATFORM, f"{method} {url} -> {answer.status} {shown(answer.text)}")
        return answer

    async def connect(
        self,
        url: str,
        headers: Mapping[str, str],
        protocols: Iterable[str],
        compressed: bool,
        fault: Fault | None,
        deadline: float | None,
    ) -> Connection:
        """Open a WebSocket to the bot; `Platform.connect` has the meaning."""
        made: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        keeping = self._keep(made, URL(url), headers, tuple(protocols), compressed, fault)
        task = asyncio.create_task(keeping)
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)
        task.add_done_callback(lambda done: _pass_on(done, made))
        seconds = DEADLINE if deadline is None else deadline
        try:
            return await asyncio.wait_for(made, seconds)
        except asyncio.TimeoutError:
            raise NoAnswer(f"a WebSocket to {url} had no answer within {seconds:g} s") from None
        finally:
            if not made.done() or made.cancelled():
                task.cancel()

    async def _keep(
        self,
        made: asyncio.Future[Connection],
        url: URL,
        headers: Mapping[str, str],
        protocols: tuple[str, ...],
        compressed: bool,
        fault: Fault | None,
    ) -> None:
        when_open = fault if isinstance(fault, WHEN_OPEN) else None

        async def begin(connection: Connection) -> None:
            if when_open is not None:
                with contextlib.suppress(ConnectionError):
                    await connection.fail(when_open)
            if not made.done():
                made.set_result(connection)

        async with self._relay(url, None if when_open else fault) as relay:
            try:
                async with self._opened(relay, headers, protocols, compressed) as ws:
                    self._count += 1
                    names = _lower(headers)
                    call = Call(
                        "GET",
                        url.host or "",
                        url.path,
                        dict(url.query.items()),
                        names,
                        b"",
                        self._count,
                    )
                    connection = Connection(self._background, call, ws, relay.link, self._problems)
                    timeline.note(PLATFORM, f"{connection} is open")
                    await keep(connection, lambda: begin(connection))
            except aiohttp.WSServerHandshakeError as error:
                answered = _kept(error.headers or {})
                _fail(made, Refused(str(url), error.status, answered, relay.refusal))
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
                _fail(made, NoAnswer(f"a WebSocket to {url} failed: {error!r}"))

    def _opened(
        self,
        relay: Relay,
        headers: Mapping[str, str],
        protocols: tuple[str, ...],
        compressed: bool,
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        assert self._session is not None
        return self._session.ws_connect(
            relay.url,
            headers={"Host": relay.host, **headers},
            protocols=protocols,
            compress=15 if compressed else 0,
            autoping=False,
            autoclose=False,
            max_msg_size=0,
        )

    @asynccontextmanager
    async def _relay(
        self, url: URL, fault: Fault | None, *, has_body: bool = False
    ) -> AsyncIterator[Relay]:
        relay = Relay(url, fault, has_body, self._problems.failed)
        await relay.open()
        self._relays.add(relay)
        try:
            yield relay
        finally:
            self._relays.discard(relay)
            await relay.close()


def _fail(made: asyncio.Future[Connection], error: ConnectionError) -> None:
    timeline.note(PLATFORM, str(error))
    if not made.done():
        made.set_exception(error)


def _pass_on(task: asyncio.Task[None], made: asyncio.Future[Connection]) -> None:
    """Give the error that has ended a task, such as a wrong header, to who waits for it."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not made.done():
        made.set_exception(error)


def _kept(headers: Mapping[str, str]) -> CIMultiDictProxy[str]:
    """Return headers, all of those that come more than once, with lower-case names."""
    pairs = ((name.lower(), value) for name, value in headers.items())
    return CIMultiDictProxy(CIMultiDict(pairs))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _grown(body: bytes, size: int) -> AsyncIterator[bytes]:
    yield body
    for piece in filling(size - len(body)):
        yield piece
