"""The client half of the driver: HTTP requests and WebSockets through its one connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
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
from ..connections.open_websockets import OpenWebSockets
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
from .models import HAS_UNSET, NO_LIMIT, UNSET, Timeout, default_timeout, merge_query, to_timeout
from .websocket import NonebotWebSocket, current_websocket

NEVER = 10.0 * 365 * 24 * 3600
"""Seconds that stand for no limit, because a timer of an event loop must be finite."""


class NonebotSession(HTTPClientSession):
    """An isolated session on the shared connector, with its own cookies, headers and parameters."""

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
        """Make a session that is not open yet; see ``HTTPClientMixin.get_session``.

        Args:
            params: Query parameters of all requests; those of a request override them.
            headers: Headers of all requests; those of a request override them.
            cookies: Cookies with which the session starts.
            version: ``"1.0"`` or ``"1.1"``.
            timeout: Seconds, a ``Timeout``, None for no limit, or UNSET for NoneBot's default.
            proxy: URL of a proxy; None uses the driver's.
            pool: The pool that has the shared connector.
            follows_redirects: Whether redirects are followed; if not, ``Redirected`` is raised.

        Raises:
            RuntimeError: aiohttp does not speak this version.
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
        """The session of aiohttp.

        Raises:
            RuntimeError: The session is not open.
        """
        if self._client is None:
            raise RuntimeError("The session is not open: use `async with driver.get_session()`")
        return self._client

    async def setup(self) -> None:
        """Open the session.

        Raises:
            RuntimeError: The session is open already.
            TypeError: A header cannot be sent.
        """
        if self._client is not None:
            raise RuntimeError("The session is open already")
        headers = None if self._headers is None else text_headers(self._headers)
        if not self._pool.is_open:
            # Before the start, after the stop and on another event loop the session makes a
            # connector of its own.
            self._pool = self._own_pool = self._shared_pool.another()
            await self._own_pool.open()
        jar = ExactCookieJar()
        jar.update_cookies(self._cookies)
        self._connector = self._pool.hold()
        self._client = self._pool.isolated(
            cookie_jar=jar,
            headers=headers,
            # aiohttp's default would cut a handshake short whose own limit is longer.
            timeout=NO_LIMIT,
            version=self._version,
            trace_configs=self._trace_configs,
        )

    async def close(self) -> None:
        """Close the session, which can be opened again."""
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
        """Send a request and yield a response for each chunk of the answer.

        Args:
            setup: The request.
            chunk_size: Bytes of each chunk; the last one may be shorter. An empty body has no
                chunk.
        """
        async with await self._send(setup) as answer:
            async for chunk in exact_chunks(answer.content, chunk_size):
                yield nonebot_response(answer, chunk, setup)

    async def _send(self, setup: Request) -> aiohttp.ClientResponse:
        http_version(setup.version)
        url = merge_query(self._params, setup.url) if self._params else setup.url
        return await send(self.client, setup, url, self._timeout_of(setup), self._proxy)

    def _timeout_of(self, setup: Request) -> aiohttp.ClientTimeout:
        default = to_timeout(self._timeout, default_timeout())
        return to_timeout(setup.timeout, default) if _is_set(setup.timeout) else default


class ClientHalf(HTTPClientMixin, WebSocketClientMixin):
    """The client, which ``Driver`` and ``Mixin`` share.

    Attributes:
        options: The driver's settings.
    """

    _pool: SessionPool
    _client_websockets: OpenWebSockets
    options: DriverOptions

    async def request(self, setup: Request) -> Response:
        """Send a request through the shared connector; requests do not share cookies.

        Args:
            setup: The request.

        Returns:
            The response, whatever its status.

        Raises:
            RuntimeError: The request asks for HTTP/2, which aiohttp does not speak.
            TypeError: A header or a part of the body cannot be sent.
            ValueError: JSON cannot hold a number in the body, or a form's boundary is not valid.
            aiohttp.ClientError: The network failed.
            asyncio.TimeoutError: The request took longer than its timeout.
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
        """Send a request and yield the answer in chunks; see ``NonebotSession.stream_request``."""
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
            setup: The request of the handshake. A timeout in seconds limits the opening and the
                closing handshake. Only the ``read`` of a ``Timeout`` limits the wait for a message.
                With NoneBot after 2.5.0, ``ping_interval`` overrides the setting
                ``aiohttp_heartbeat`` (None turns pings off), and the ``ping`` of a ``Timeout``
                limits the wait for a pong, which otherwise is half of the interval.

        Yields:
            The connection, which is closed at the end.

        Raises:
            RuntimeError: The request asks for HTTP/2, which aiohttp does not speak.
            aiohttp.ClientError: The handshake failed.
            asyncio.TimeoutError: The handshake took too long.
        """
        limits = WebSocketLimits.of(setup.timeout, self.options)
        limits.heartbeat = getattr(setup, "ping_interval", UNSET)
        session = NonebotSession(version=setup.version, pool=self._pool, follows_redirects=False)
        async with session:
            handshake = self._handshake(session.client, setup, limits)
            connected = await asyncio.wait_for(handshake, limits.handshake)
            websocket = NonebotWebSocket(setup, connected, limits.receive)
            self._client_websockets.add(connected)
            before = current_websocket.get()
            current_websocket.set(connected)
            try:
                yield websocket
            finally:
                current_websocket.set(before)
                self._client_websockets.remove(connected)
                await connected.close()

    async def _handshake(
        self, client: aiohttp.ClientSession, setup: Request, limits: WebSocketLimits
    ) -> ClientWebSocket:
        options = limits.apply_to(self.options)
        # NoneBot's ~websockets sends the texts of values as well.
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
            # Private: aiohttp waits half of the heartbeat, and has no public way to change that.
            connected._pong_heartbeat = NEVER if limits.pong is None else limits.pong
        url = setup.url
        return ClientWebSocket(
            connected, options, http_version="1.1", scheme=url.scheme, path=url.path
        )


@dataclass
class WebSocketLimits:
    """How long the steps of a WebSocket client may take.

    Attributes:
        handshake: Seconds for the opening handshake; None means no limit.
        receive: Seconds to wait for a message; None means no limit.
        close: Seconds for the closing handshake; None uses the setting.
        heartbeat: Seconds between pings; None turns them off, UNSET uses the setting.
        pong: Seconds to wait for the answer to a ping; None means no limit, UNSET is half of the
            heartbeat.
    """

    handshake: float | None
    receive: float | None = None
    close: float | None = None
    heartbeat: Any = UNSET
    pong: Any = UNSET

    @classmethod
    def of(cls, timeout: Any, options: DriverOptions) -> WebSocketLimits:
        """Read a request's timeout, in any of NoneBot's notations; see ``_is_set`` for None."""
        if isinstance(timeout, Timeout):
            total, connect, read = (
                _set_or(getattr(timeout, name), None) for name in ("total", "connect", "read")
            )
            handshake = connect if connect is not None else total
            if handshake is None and timeout.connect is UNSET and timeout.total is UNSET:
                handshake = options.handshake_timeout
            limits = cls(handshake, read, _set_or(getattr(timeout, "close", UNSET), total))
            limits.pong = getattr(timeout, "ping", UNSET)
            return limits
        if not _is_set(timeout):
            return cls(options.handshake_timeout)
        return cls(timeout, close=timeout)

    def apply_to(self, options: DriverOptions) -> DriverOptions:
        """Return the settings of one connection, with these limits in place of the driver's.

        Raises:
            ValidationError: A limit is not valid.
        """
        changes: dict[str, Any] = {}
        if self.close is not None:
            changes["close_timeout"] = self.close
        if self.heartbeat is not UNSET:
            changes["heartbeat"] = self.heartbeat
        return options.replaced(**changes) if changes else options


def _is_set(timeout: Any) -> bool:
    # Before NoneBot 2.5 None is the default of a request. Since 2.5 it means no limit.
    return timeout is not UNSET and (HAS_UNSET or timeout is not None)


def _set_or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value
