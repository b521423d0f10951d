"""The client half: HTTP requests and WebSockets through the driver's one connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from nonebot.drivers import (
    Cookies,
    HTTPClientMixin,
    HTTPClientSession,
    HTTPVersion,
    Request,
    Response,
    WebSocketClientMixin,
)
from yarl import URL

from ..connections.client_websocket import ClientWebSocket
from ..connections.cookies import ExactCookieJar, given_cookies, given_header
from ..connections.proxies import proxy_of_request
from ..connections.redirects import Outgoing, following, raising
from ..connections.sessions import SessionPool
from ..forward.reconnect import connect_arguments
from ..options import DriverOptions
from .calls import (
    cookies_of,
    exact_chunks,
    http_version,
    nonebot_response,
    send,
    text_headers,
    with_login,
)
from .models import HAS_UNSET, UNSET, Timeout, default_timeout, merge_query, to_timeout
from .websocket import NonebotWebSocket

_NOT_SAID = aiohttp.ClientTimeout()

NEVER = 10.0 * 365 * 24 * 3600
"""Seconds that nobody sees the end of; event loops know no infinity."""


class NonebotSession(HTTPClientSession):
    """An isolated session on the shared connector: cookies, headers and parameters of its own."""

    def __init__(
        self,
        params: Any = None,
        headers: Any = None,
        cookies: Any = None,
        version: str | HTTPVersion = HTTPVersion.H11,
        timeout: Any = UNSET,
        proxy: str | None = None,
        *,
        pool: SessionPool,
        follows_redirects: bool = True,
    ) -> None:
        """Take what every request of the session has; see ``HTTPClientMixin.get_session``.

        Args:
            params: Query parameters; a request's own win.
            headers: Headers; a request's own win.
            cookies: Cookies that the session begins with.
            version: ``"1.0"`` or ``"1.1"``.
            timeout: Seconds, a ``Timeout``, None for no limit, or UNSET for NoneBot's default.
            proxy: URL of a proxy; None takes the driver's.
            pool: Where the connector is.
            follows_redirects: Whether aiohttp does; else ``Redirected`` is raised.

        Raises:
            RuntimeError: aiohttp does not speak that version.
        """
        self._trace_configs = None if follows_redirects else [raising()]
        self._params = list(URL.build(query=params).query.items()) if params is not None else []
        self._headers = CIMultiDict(headers) if headers is not None else None
        self._cookies = cookies_of(Cookies(cookies)) if cookies is not None else []
        self._version = http_version(version)
        self._timeout = timeout
        self._proxy = proxy
        self._pool = self._shared_pool = pool
        self._own_pool: SessionPool | None = None
        self._client: aiohttp.ClientSession | None = None
        self._connector: aiohttp.BaseConnector | None = None

    @property
    def client(self) -> aiohttp.ClientSession:
        """Aiohttp's session.

        Raises:
            RuntimeError: The session is not set up, or closed.
        """
        if self._client is None:
            raise RuntimeError("The session is not open: use `async with driver.get_session()`")
        return self._client

    async def setup(self) -> None:
        """Open the session.

        Raises:
            RuntimeError: It is open already.
            TypeError: A header is nothing that can be sent.
        """
        if self._client is not None:
            raise RuntimeError("The session is open already")
        headers = None if self._headers is None else text_headers(self._headers)
        if not self._pool.is_open:
            # Before the start, after the stop and on another event loop the session brings a
            # connector of its own.
            self._pool = self._own_pool = self._shared_pool.another()
            await self._own_pool.open()
        jar = ExactCookieJar()
        jar.update_cookies(self._cookies)
        self._connector = self._pool.hold()
        self._client = self._pool.isolated(
            cookie_jar=jar,
            headers=headers,
            # aiohttp's own default would cut longer limits of a handshake short.
            timeout=_NOT_SAID,
            version=self._version,
            trace_configs=self._trace_configs,
        )

    async def close(self) -> None:
        """Close the session; it may be opened again."""
        client, self._client = self._client, None
        connector, self._connector = self._connector, None
        pool, self._pool = self._pool, self._shared_pool
        own_pool, self._own_pool = self._own_pool, None
        if client is not None:
            await client.close()
        if connector is not None:
            await pool.release(connector)
        if own_pool is not None:
            await own_pool.close()

    async def request(self, setup: Request) -> Response:
        """Send a request; see ``HTTPClientMixin.request``."""
        async with await self._send(setup) as answer:
            return nonebot_response(answer, await answer.read(), setup)

    async def stream_request(
        self, setup: Request, *, chunk_size: int = 1024
    ) -> AsyncGenerator[Response, None]:
        """Send a request and yield its answer in chunks.

        Args:
            setup: The request.
            chunk_size: Bytes that each chunk has, but for the last one.

        Yields:
            A response for each chunk; none for an empty body.
        """
        async with await self._send(setup) as answer:
            async for chunk in exact_chunks(answer.content, chunk_size):
                yield nonebot_response(answer, chunk, setup)

    async def _send(self, setup: Request) -> aiohttp.ClientResponse:
        http_version(setup.version)
        url = merge_query(self._params, setup.url) if self._params else setup.url
        return await send(self.client, setup, url, self._timeout_of(setup), self._proxy)

    def _timeout_of(self, setup: Request) -> aiohttp.ClientTimeout:
        if _is_said(setup.timeout):
            own = to_timeout(setup.timeout, _NOT_SAID)
            if own is not _NOT_SAID:
                return own
        return to_timeout(self._timeout, default_timeout())


class ClientHalf(HTTPClientMixin, WebSocketClientMixin):
    """What the full driver and the mixin share."""

    _pool: SessionPool
    _client_sockets: set[ClientWebSocket]
    options: DriverOptions

    async def request(self, setup: Request) -> Response:
        """Send a request through the shared pool; cookies of one never reach another.

        Args:
            setup: The request.

        Returns:
            The response, whatever its status.

        Raises:
            RuntimeError: The request wants HTTP/2, which aiohttp does not speak.
            aiohttp.ClientError: The network failed.
            asyncio.TimeoutError: A limit of the request's timeout was reached.
        """
        pool = self._pool
        if setup.version is not HTTPVersion.H11 or not pool.is_open:
            async with self.get_session(version=setup.version) as session:
                return await session.request(setup)
        client = pool.lend()
        try:
            timeout = to_timeout(setup.timeout, default_timeout())
            async with await send(client, setup, setup.url, timeout) as answer:
                return nonebot_response(answer, await answer.read(), setup)
        finally:
            await pool.take_back(client)

    async def stream_request(
        self, setup: Request, *, chunk_size: int = 1024
    ) -> AsyncGenerator[Response, None]:
        """Send a request and yield its answer in chunks; see ``NonebotSession.stream_request``."""
        async with self.get_session(version=setup.version) as session:
            async for response in session.stream_request(setup, chunk_size=chunk_size):
                yield response

    def get_session(
        self,
        params: Any = None,
        headers: Any = None,
        cookies: Any = None,
        version: str | HTTPVersion = HTTPVersion.H11,
        timeout: Any = UNSET,
        proxy: str | None = None,
    ) -> NonebotSession:
        """Make an isolated session on the shared connector; see ``NonebotSession``."""
        return NonebotSession(params, headers, cookies, version, timeout, proxy, pool=self._pool)

    @asynccontextmanager
    async def websocket(self, setup: Request) -> AsyncIterator[NonebotWebSocket]:
        """Connect to a WebSocket.

        Args:
            setup: The handshake. A timeout in seconds limits the handshake and the closing one;
                only the ``read`` of a ``Timeout`` limits how long a message may be waited for.
                Where NoneBot has them (after 2.5.0), ``ping_interval`` is the heartbeat instead of
                the setting's, None for none, and the ``ping`` of a ``Timeout`` limits how long its
                answer may be waited for, instead of half of that.

        Yields:
            The connection.

        Raises:
            RuntimeError: The request wants HTTP/2, which aiohttp does not speak.
            aiohttp.ClientError: The handshake failed.
            asyncio.TimeoutError: The handshake took too long.
        """
        limits = SocketLimits.of(setup.timeout, self.options)
        limits.heartbeat = getattr(setup, "ping_interval", UNSET)
        session = NonebotSession(version=setup.version, pool=self._pool, follows_redirects=False)
        async with session:
            handshake = self._handshake(session.client, setup, limits)
            connected = await asyncio.wait_for(handshake, limits.handshake)
            socket = NonebotWebSocket(setup, connected, limits.receive)
            self._client_sockets.add(connected)
            try:
                yield socket
            finally:
                self._client_sockets.discard(connected)
                await connected.close()

    async def _handshake(
        self, client: aiohttp.ClientSession, setup: Request, limits: SocketLimits
    ) -> ClientWebSocket:
        options = limits.apply_to(self.options)
        # As NoneBot's ~websockets sends them.
        headers = CIMultiDict((name, str(value)) for name, value in setup.headers.items())
        arguments = connect_arguments(options, decode_text=True)

        async def send(request: Outgoing) -> Any:
            url, headers = request.url, request.headers
            if url.raw_user is not None:
                url, headers = with_login(url, headers)
            has_own = hdrs.COOKIE in (headers or ())
            with given_header() if has_own else nullcontext():
                return await client.ws_connect(
                    url,
                    method=request.method,
                    headers=headers,
                    proxy=proxy_of_request(setup.proxy),
                    **arguments,
                )

        with given_cookies(cookies_of(setup.cookies), setup.url):
            connected = await following(send, Outgoing(setup.method, setup.url, headers))
        if limits.pong is not UNSET:
            # Private: aiohttp has half of the heartbeat for it, which nothing public changes.
            connected._pong_heartbeat = NEVER if limits.pong is None else limits.pong
        url = setup.url
        return ClientWebSocket(
            connected, options, http_version="1.1", scheme=url.scheme, path=url.path
        )


class SocketLimits:
    """How long the steps of a WebSocket client may take.

    Attributes:
        handshake: Seconds; None is no limit.
        receive: Seconds that a message may be waited for; None is no limit.
        close: Seconds for the closing handshake; None takes the setting.
        heartbeat: Seconds between pings; None turns them off, UNSET takes the setting.
        pong: Seconds that the answer to a ping may be waited for; None is no limit, UNSET half of
            the heartbeat.
    """

    heartbeat: Any = UNSET
    pong: Any = UNSET

    def __init__(
        self, handshake: float | None, receive: float | None = None, close: float | None = None
    ) -> None:
        """Take the limits."""
        self.handshake = handshake
        self.receive = receive
        self.close = close

    @classmethod
    def of(cls, timeout: Any, options: DriverOptions) -> SocketLimits:
        """Read NoneBot's timeout.

        Args:
            timeout: Seconds, a ``Timeout``, None for no limit (before NoneBot 2.5: not said), or
                UNSET.
            options: The driver's settings, which count where nothing is said.

        Returns:
            The limits.
        """
        if isinstance(timeout, Timeout):
            total, connect, read = (
                _said(getattr(timeout, name), None) for name in ("total", "connect", "read")
            )
            handshake = connect if connect is not None else total
            if handshake is None and timeout.connect is UNSET and timeout.total is UNSET:
                handshake = options.handshake_timeout
            limits = cls(handshake, read, _said(getattr(timeout, "close", UNSET), total))
            limits.pong = getattr(timeout, "ping", UNSET)
            return limits
        if not _is_said(timeout):
            return cls(options.handshake_timeout)
        return cls(timeout, close=timeout)

    def apply_to(self, options: DriverOptions) -> DriverOptions:
        """Put what counts for one connection into the settings.

        Raises:
            ValidationError: The heartbeat is not valid.
        """
        changes: dict[str, Any] = {}
        if self.close is not None:
            changes["close_timeout"] = self.close
        if self.heartbeat is not UNSET:
            changes["heartbeat"] = self.heartbeat
        return options.replaced(**changes) if changes else options


def _is_said(timeout: Any) -> bool:
    # Before NoneBot 2.5 None is the default, and all that could be said of no limit.
    return timeout is not UNSET and (HAS_UNSET or timeout is not None)


def _said(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value
