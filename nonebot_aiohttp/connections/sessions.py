"""The only place that creates an ``aiohttp.ClientSession``: one connector for all outbound."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp

from ..exceptions import LifecycleError, SetupError, ValidationError
from ..options import DriverOptions
from .connector import Connector, request_class
from .cookies import ExactCookieJar
from .interim import BoundedResponse
from .proxies import Proxies
from .redirects import raising

HTTP_VERSIONS = {"1.0": aiohttp.HttpVersion10, "1.1": aiohttp.HttpVersion11}

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=30)
"""Seconds for a request of an adapter that brings no timeout of its own: aiohttp's defaults."""

MAX_SPARE = 100
"""Sessions that are kept for requests to come; more requests at once are rare."""

MAX_HEADER = 64 * 1024
"""Bytes that a line of the head of an answer may have; aiohttp's own 8,190 are few for cookies."""


class SessionPool:
    """One connector, and on it the sessions: shared ones, lent ones, and isolated ones.

    There is a shared one for each HTTP version that is asked for, for aiohttp binds the version to
    the session, and as many for the forward loops, which have rules of their own. None of these
    keeps cookies: those of one bot are none of another's business. Proxies of the environment are
    honoured as they are at the opening.
    """

    def __init__(self, options: DriverOptions) -> None:
        """Bind to nothing yet: neither to a loop nor to a process.

        Args:
            options: The driver's settings.
        """
        self._options = options
        self._connector: aiohttp.BaseConnector | None = None
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._loop_sessions: dict[str, aiohttp.ClientSession] = {}
        self._spare: list[aiohttp.ClientSession] = []
        self._proxies = Proxies(options.proxy)
        self._request_class = request_class(self._proxies)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holders: dict[aiohttp.BaseConnector, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is a connector, and it belongs to the event loop that runs."""
        return self._connector is not None and self._loop is asyncio.get_running_loop()

    def another(self) -> SessionPool:
        """Make a pool of the same settings with a connector of its own, not open yet."""
        return SessionPool(self._options)

    async def open(self) -> None:
        """Create the connector on the running loop.

        Raises:
            ValidationError: ``aiohttp_ssl_cafile`` holds no certificate.
        """
        self._proxies.forget_environment()
        self._loop = asyncio.get_running_loop()
        self._connector = Connector(self._trusted())

    async def close(self) -> None:
        """Close all sessions and connections; those that are held stay until they are let go."""
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
        """Keep the connector from being closed: who reads an answer then would wait for ever.

        Returns:
            The connector, for ``release``.

        Raises:
            LifecycleError: The pool is not open.
        """
        connector = self._open_connector()
        self._holders[connector] = self._holders.get(connector, 0) + 1
        return connector

    async def release(self, connector: aiohttp.BaseConnector) -> None:
        """Let go of a connector; the last one closes it if the pool has been closed meanwhile.

        Args:
            connector: What ``hold`` has returned.
        """
        self._holders[connector] -= 1
        if not self._holders[connector]:
            del self._holders[connector]
            if connector is not self._connector:
                await connector.close()

    def get(self, http_version: str = "1.1") -> aiohttp.ClientSession:
        """Get the session of the adapters for an HTTP version.

        Args:
            http_version: ``"1.0"`` or ``"1.1"``.

        Returns:
            The session, the same one for everybody. It is not the caller's to close.

        Raises:
            SetupError: aiohttp does not speak that version.
            LifecycleError: The pool is not open.
        """
        return self._shared(http_version, self._sessions, timeout=REQUEST_TIMEOUT)

    def for_loops(self, http_version: str = "1.1") -> aiohttp.ClientSession:
        """Get the session of the forward loops for an HTTP version.

        It raises ``Redirected`` rather than follow, decodes no bodies, and has no limit of time:
        the loops have settings for these.

        Args:
            http_version: ``"1.0"`` or ``"1.1"``.

        Returns:
            The session, as ``get`` does.

        Raises:
            SetupError: aiohttp does not speak that version.
            LifecycleError: The pool is not open.
        """
        return self._shared(
            http_version,
            self._loop_sessions,
            timeout=aiohttp.ClientTimeout(),
            trace_configs=[raising()],
            auto_decompress=False,
        )

    def _shared(
        self, http_version: str, sessions: dict[str, aiohttp.ClientSession], **arguments: Any
    ) -> aiohttp.ClientSession:
        if http_version not in HTTP_VERSIONS:
            raise SetupError(f"HTTP version {http_version!r} is not supported: use 1.0 or 1.1")
        if http_version not in sessions:
            sessions[http_version] = self.isolated(
                cookie_jar=aiohttp.DummyCookieJar(),
                version=HTTP_VERSIONS[http_version],
                **arguments,
            )
        return sessions[http_version]

    def isolated(self, **kwargs: Any) -> aiohttp.ClientSession:
        """Create a session of its own on the shared connector; the caller closes it.

        Args:
            **kwargs: What ``aiohttp.ClientSession`` takes.

        Returns:
            The session.

        Raises:
            LifecycleError: The pool is not open.
        """
        return aiohttp.ClientSession(
            connector=self._open_connector(),
            connector_owner=False,
            request_class=self._request_class,
            response_class=BoundedResponse,
            # The requests quote what they must.
            requote_redirect_url=False,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            **kwargs,
        )

    def lend(self) -> aiohttp.ClientSession:
        """Lend a session to one request: its cookies reach the targets of redirects, and no more.

        It speaks HTTP/1.1 and has no timeout. Making one takes a tenth of the time of a request.

        Returns:
            The session, for ``take_back``; until then its connector is held.

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
        """Keep a session for the next request, without the cookies of this one.

        Args:
            session: What ``lend`` has returned.
        """
        connector = session.connector
        assert connector is not None
        # Without cookies too: deleted ones leave something behind before aiohttp 3.14.5.
        session.cookie_jar.clear()
        if connector is self._connector and len(self._spare) < MAX_SPARE:
            self._spare.append(session)
        else:
            await session.close()
        await self.release(connector)

    def _open_connector(self) -> aiohttp.BaseConnector:
        if self._connector is None:
            raise LifecycleError(
                "The session is open only while the driver runs: use it in startup hooks or later"
            )
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
