"""What a platform begins itself: webhooks, and WebSockets to the bot."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json as json_module
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from .background import Background
from .door import bound_socket, drain
from .faults import Cut, Fault, Garbage, HalfOpen, Hang, Oversize, Reset, Slow
from .journal import DEADLINE
from .links import Link
from .owned import own
from .seen import Call
from .timeline import PLATFORM, timeline
from .websockets import Connection, shown

Signing = Callable[[bytes], Mapping[str, str]]
"""Makes headers, such as a signature, of a body."""


@dataclass(frozen=True)
class Answer:
    """The bot's answer to a webhook: its status, its headers with lower-case names, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json_module.loads(self.body)


class NoAnswer(ConnectionError):
    """The bot has not answered a request: the connection failed, or the deadline has passed."""


class Refused(ConnectionError):
    """The bot has refused a WebSocket.

    Attributes:
        status: The status of its answer.
        body: The body of its answer; aiohttp does not keep it, so it is empty where that has
            asked.
    """

    def __init__(self, status: int, url: str) -> None:
        """Take the status of the answer, and where the WebSocket should have been."""
        super().__init__(f"the bot has refused a WebSocket at {url} with {status}")
        self.status = status


class Client:
    """A platform's client, each of whose requests has a connection and a relay of its own."""

    def __init__(self, background: Background, complaints: list[str]) -> None:
        """Send from that event loop; errors of functions that answer become complaints."""
        self._background = background
        self._complaints = complaints
        self._session: aiohttp.ClientSession | None = None
        self._readers: set[asyncio.Task[None]] = set()
        self._count = 0

    async def open(self) -> None:
        """Begin a session without cookies."""
        self._session = own(
            aiohttp.ClientSession(
                connector=own(aiohttp.TCPConnector(force_close=True)),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        )

    async def close(self) -> None:
        """End the session and all WebSockets."""
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
        if isinstance(fault, Oversize):
            body, fault = body + b" " * (fault.size - len(body)), None
        timeline.note(PLATFORM, f"{method} {url} {shown(body)}{f' {fault}' if fault else ''}")
        seconds = DEADLINE if deadline is None else deadline
        try:
            async with (
                relayed(URL(url), fault) as (through, host, _),
                self._session.request(
                    method,
                    through,
                    data=io.BytesIO(body),
                    headers={"Host": host, **headers},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(seconds),
                ) as got,
            ):
                names = {name.lower(): value for name, value in got.headers.items()}
                answer = Answer(got.status, names, await got.read())
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
    ) -> Connection:
        """Open a WebSocket to the bot; `Platform.connect` has the meaning."""
        made: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        keeping = self._keep(made, URL(url), headers, tuple(protocols), compressed, fault)
        task = asyncio.create_task(keeping)
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)
        return await made

    async def _keep(
        self,
        made: asyncio.Future[Connection],
        url: URL,
        headers: Mapping[str, str],
        protocols: tuple[str, ...],
        compressed: bool,
        fault: Fault | None,
    ) -> None:
        assert self._session is not None
        try:
            async with (
                relayed(url, fault) as (through, host, link),
                self._session.ws_connect(
                    through,
                    headers={"Host": host, **headers},
                    protocols=protocols,
                    compress=15 if compressed else 0,
                    autoping=False,
                    max_msg_size=0,
                ) as ws,
            ):
                self._count += 1
                names = {name.lower(): value for name, value in headers.items()}
                call = Call("GET", host, url.path, dict(url.query), names, b"", self._count)
                connection = Connection(self._background, call, ws, link, self._complaints)
                timeline.note(PLATFORM, f"{connection} is open")
                made.set_result(connection)
                await connection.read_to_the_end()
        except aiohttp.WSServerHandshakeError as error:
            timeline.note(PLATFORM, f"a WebSocket to {url} was refused: {error.status}")
            made.set_exception(Refused(error.status, str(url)))
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            timeline.note(PLATFORM, f"a WebSocket to {url} failed: {error!r}")
            if not made.done():
                made.set_exception(NoAnswer(f"a WebSocket to {url} failed: {error!r}"))


@asynccontextmanager
async def relayed(
    url: URL, fault: Fault | None
) -> AsyncIterator[tuple[URL, str, Callable[[], Link]]]:
    """Give a way to a server with a relay in it, by which a fault strikes.

    Yields:
        The URL to use, the value of ``Host``, and what returns the link of the connection.
    """
    links: list[Link] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            bot_reader, bot = await asyncio.open_connection(url.host, url.port)
            link = Link(len(links) + 1, bot, bot_reader)
            links.append(link)
            await _pass(link, bot_reader, reader, writer, fault)
        writer.transport.abort()

    relay = await asyncio.start_server(accept, sock=bound_socket(0))
    try:
        port = relay.sockets[0].getsockname()[1]
        yield url.with_host("127.0.0.1").with_port(port), url.authority, lambda: links[-1]
    finally:
        relay.close()
        for link in links:
            link.close()


async def _pass(
    link: Link,
    bot_reader: asyncio.StreamReader,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    fault: Fault | None,
) -> None:
    if isinstance(fault, Reset | Hang):
        # The bot gets a part of the request, and then the fault.
        await link.send((await reader.read(1 << 16))[:20])
        if isinstance(fault, Reset):
            link.reset()
        else:
            await drain(bot_reader)
        return
    if isinstance(fault, Garbage):
        await reader.read(1)
        await link.send(fault.data)
    elif isinstance(fault, HalfOpen):
        await link.send(await reader.read(1 << 16))
        link.hold()
    elif isinstance(fault, Slow):
        link.slow_down(fault.pace)
    elif isinstance(fault, Cut):
        link.cut_after(fault.after)
    elif fault is not None:
        raise TypeError(f"{fault} does not strike what the platform begins")
    await link.join(reader, writer)
