"""``SessionPool``: makes every ``aiohttp.ClientSession``, all of them on one connector."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp

from ..exceptions import LifecycleError, SetupError, ValidationError
from ..options import DriverOptions
from .calls import CallCounts, response_class
from .connector import Connector, request_class
from .cookies import ExactCookieJar
from .interim import BoundedResponse
from .proxies import Proxies
from .redirects import raising

HTTP_VERSIONS = {"1.0": aiohttp.HttpVersion10, "1.1": aiohttp.HttpVersion11}

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=30)
"""Seconds for a request of an adapter that sets no timeout: aiohttp's own defaults."""

MAX_SPARE = 100
"""Unused sessions that are kept for later requests; more requests at once are rare."""

MAX_HEADER = 64 * 1024
"""Bytes of a line in the head of an answer. aiohttp's own 8,190 are too few for some cookies."""


_TOO_EARLY = (
    "driver.session does not exist before the driver starts: use it in a startup hook, in a"
    " handler or later"
)
_TOO_LATE = (
    "driver.session has been closed, because the driver has stopped: use it in a shutdown hook at"
    " the latest"
)


class SessionPool:
    """One connector with its sessions: shared, lent and isolated ones.

    There is one shared session for each HTTP version, because aiohttp binds the version to the
    session, and another one for the forward loops, which have rules of their own. Shared sessions
    keep no cookies, because the cookies of one bot must not reach another. The proxies of the
    environment are read when the pool opens.

    Attributes:
        calls: Counts the requests of adapters.
    """

    def __init__(self, options: DriverOptions, calls: CallCounts | None = None) -> None:
        """Make a pool that is not open; ``calls`` are the counts of another pool."""
        self._options = options
        self.calls = calls or CallCounts()
        self._connector: aiohttp.BaseConnector | None = None
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._loop_sessions: dict[str, aiohttp.ClientSession] = {}
        self._spare: list[aiohttp.ClientSession] = []
        self._proxies = Proxies(options.proxy)
        self._request_class = request_class(self._proxies, self.calls)
        self._response_class = response_class(self.calls)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holders: dict[aiohttp.BaseConnector, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is a connector, and it belongs to the running event loop."""
        return self._connector is not None and self._loop is asyncio.get_running_loop()

    def another(self) -> SessionPool:
        """Make a pool with the same settings, which is not open yet."""
        return SessionPool(self._options, self.calls)

    async def open(self) -> None:
        """Create the connector on the running loop.

        Raises:
            ValidationError: ``aiohttp_ssl_cafile`` does not contain a certificate.
        """
        self._proxies.forget_environment()
        self._loop = asyncio.get_running_loop()
        self._connector = Connector(self._trusted())

    async def close(self) -> None:
        """Close all sessions and the connector, which stays open while it is held."""
        connector, self._connector = self._connector, None
        sessions = [*self._sessions.values(), *self._loop_sessions.values(), *self._spare]
        self._sessions.clear()
        self._loop_sessions.clear()
        self._spare.clear()
        for session in sessions:
            await session.close()
        if connector is not None and connector not in self._holders:
            await connector.close()

    def hold(self) -> aiohttp.BaseConnector:
        """Keep the connector open until ``release``, because to read from a closed one never ends.

        Raises:
            LifecycleError: The pool is not open.
        """
        connector = self._open_connector()
        self._holders[connector] = self._holders.get(connector, 0) + 1
        return connector

    async def release(self, connector: aiohttp.BaseConnector) -> None:
        """Release a connector; if the pool has closed, the last release closes the connector."""
        self._holders[connector] -= 1
        if not self._holders[connector]:
            del self._holders[connector]
            if connector is not self._connector:
                await connector.close()

    def get(self, http_version: str = "1.1") -> aiohttp.ClientSession:
        """Return the session that all adapters share, which the caller must not close.

        Raises:
            SetupError: The version is not 1.0 or 1.1.
            LifecycleError: The pool is not open.
        """
        return self._shared(http_version, self._sessions, timeout=REQUEST_TIMEOUT)

    def for_loops(self, http_version: str = "1.1") -> aiohttp.ClientSession:
        """Return the session that all forward loops share; errors as of ``get``.

        It raises ``Redirected`` instead of following, does not decode bodies, and has no timeout,
        because the loops do all this by their own settings.
        """
        return self._shared(
            http_version,
            self._loop_sessions,
            timeout=aiohttp.ClientTimeout(),
            trace_configs=[raising()],
            auto_decompress=False,
            # Their state is the loops' own, so they do not count as calls.
            request_class=request_class(self._proxies),
            response_class=BoundedResponse,
        )

    def _shared(
        self, http_version: str, sessions: dict[str, aiohttp.ClientSession], **arguments: Any
    ) -> aiohttp.ClientSession:
        check_version(http_version)
        if http_version not in sessions:
            # First, because a cookie jar needs a running event loop, and says no more than that.
            self._open_connector()
            sessions[http_version] = self.isolated(
                cookie_jar=aiohttp.DummyCookieJar(),
                version=HTTP_VERSIONS[http_version],
                **arguments,
            )
        return sessions[http_version]

    def isolated(self, **kwargs: Any) -> aiohttp.ClientSession:
        """Make a session on the shared connector, which the caller has to close.

        Raises:
            LifecycleError: The pool is not open.
        """
        kwargs.setdefault("request_class", self._request_class)
        kwargs.setdefault("response_class", self._response_class)
        return aiohttp.ClientSession(
            connector=self._open_connector(),
            connector_owner=False,
            # Instead the request class quotes what must be quoted.
            requote_redirect_url=False,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            **kwargs,
        )

    def lend(self) -> aiohttp.ClientSession:
        """Lend a session to one request and its redirects, which share the cookies, and no others.

        It uses HTTP/1.1, has no timeout, and holds the connector until ``take_back``. To make a new
        one for each request would take a tenth of the request's time.

        Raises:
            LifecycleError: The pool is not open.
        """
        if self._spare:
            session = self._spare.pop()
        else:
            session = self.isolated(cookie_jar=ExactCookieJar(), timeout=aiohttp.ClientTimeout())
        self.hold()
        return session

    async def take_back(self, session: aiohttp.ClientSession) -> None:
        """Keep a lent session for the next request, without the cookies of this one."""
        connector = session.connector
        assert connector is not None
        # Also without cookies: before aiohttp 3.14.5 expired ones leave empty entries.
        session.cookie_jar.clear()
        if connector is self._connector and len(self._spare) < MAX_SPARE:
            self._spare.append(session)
        else:
            await session.close()
        await self.release(connector)

    def _open_connector(self) -> aiohttp.BaseConnector:
        if self._connector is None:
            raise LifecycleError(_TOO_EARLY if self._loop is None else _TOO_LATE)
        return self._connector

    def _trusted(self) -> ssl.SSLContext | bool:
        if self._options.ssl_cafile is None:
            return True
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(cafile=self._options.ssl_cafile)
        except OSError as error:
            text = f"cannot be used as a CA: {error.strerror or error}"
            raise ValidationError({"aiohttp_ssl_cafile": text}) from None
        return context


def check_version(http_version: Any) -> None:
    """Check that aiohttp speaks an HTTP version.

    Raises:
        SetupError: The version is not 1.0 or 1.1.
    """
    if isinstance(http_version, str) and http_version in HTTP_VERSIONS:
        return
    # Another argument in its place may hold a secret.
    shown = repr(http_version) if isinstance(http_version, str) else type(http_version).__name__
    raise SetupError(f"HTTP version {shown} is not supported: use 1.0 or 1.1")
