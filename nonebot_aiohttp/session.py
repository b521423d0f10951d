"""The only place that creates an ``aiohttp.ClientSession``: one connector for all outbound."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from .cookies import ExactCookieJar
from .exceptions import LifecycleError, SetupError, ValidationError
from .locations import ExactRequest
from .log import logger
from .options import DriverOptions, is_proxy_url

HTTP_VERSIONS = {"1.0": aiohttp.HttpVersion10, "1.1": aiohttp.HttpVersion11}

SESSION_TAKES_PROXY = "proxy" in inspect.signature(aiohttp.ClientSession.__init__).parameters
"""Whether a session can have a proxy of its own (aiohttp 3.11)."""

REQUEST_TIMEOUT = 300.0
"""Seconds for a request of an adapter that brings no timeout of its own."""

DNS_CACHE_TTL = 300
"""Seconds that a looked-up address is used again; aiohttp's own 10 make a look-up per API call."""

MAX_SPARE = 100
"""Sessions that are kept for requests to come; more requests at once are rare."""

_PROXY_SCHEMES = {"ws": "http", "wss": "https"}

_EXACT_REDIRECTS: dict[str, Any] = {"requote_redirect_url": False, "request_class": ExactRequest}


class SessionPool:
    """One connector, and on it the sessions: shared ones, lent ones, and isolated ones.

    There is a shared one for each HTTP version that is asked for, for aiohttp binds the version to
    the session. It keeps no cookies: those of one bot are none of another's business. Proxies of
    the environment are honoured as they are at the opening.
    """

    def __init__(self, options: DriverOptions) -> None:
        """Bind to nothing yet: neither to a loop nor to a process.

        Args:
            options: The driver's settings.
        """
        self._options = options
        self._connector: aiohttp.BaseConnector | None = None
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._spare: list[aiohttp.ClientSession] = []
        self._environment: dict[str, URL] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holders: dict[aiohttp.BaseConnector, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is a connector, and it belongs to the event loop that runs."""
        return self._connector is not None and self._loop is asyncio.get_running_loop()

    @property
    def proxy(self) -> URL | None:
        """The proxy of the setting ``aiohttp_proxy``, if any."""
        return URL(self._options.proxy) if self._options.proxy is not None else None

    def another(self) -> SessionPool:
        """Make a pool of the same settings with a connector of its own, not open yet."""
        return SessionPool(self._options)

    async def open(self) -> None:
        """Create the connector on the running loop.

        Raises:
            ValidationError: ``aiohttp_ssl_cafile`` holds no certificate.
        """
        self._environment = None
        self._loop = asyncio.get_running_loop()
        # Unlimited: forward WebSockets and long polls hold their connections for days, and the
        # hundredth of them must not starve the API calls.
        self._connector = aiohttp.TCPConnector(
            limit=0, ttl_dns_cache=DNS_CACHE_TTL, ssl=self._ssl()
        )

    async def close(self) -> None:
        """Close all sessions and connections; those that are held stay until they are let go."""
        connector, self._connector = self._connector, None
        sessions = [*self._sessions.values(), *self._spare]
        self._sessions.clear()
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
        """Get the session for an HTTP version.

        Args:
            http_version: ``"1.0"`` or ``"1.1"``.

        Returns:
            The session, the same one for everybody. It is not the caller's to close.

        Raises:
            SetupError: aiohttp does not speak that version.
            LifecycleError: The pool is not open.
        """
        if http_version not in HTTP_VERSIONS:
            raise SetupError(f"HTTP version {http_version!r} is not supported: use 1.0 or 1.1")
        if http_version not in self._sessions:
            self._sessions[http_version] = self.isolated(
                cookie_jar=aiohttp.DummyCookieJar(),
                # aiohttp's default, without the limit on connecting that it has besides: that
                # would cut a longer aiohttp_handshake_timeout short.
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
                version=HTTP_VERSIONS[http_version],
            )
        return self._sessions[http_version]

    def isolated(self, **kwargs: Any) -> aiohttp.ClientSession:
        """Create a session of its own on the shared connector; the caller closes it.

        Args:
            **kwargs: What ``aiohttp.ClientSession`` takes.

        Returns:
            The session.

        Raises:
            LifecycleError: The pool is not open.
        """
        arguments = {**_EXACT_REDIRECTS, **self._proxy_arguments(), **kwargs}
        return aiohttp.ClientSession(
            connector=self._open_connector(), connector_owner=False, **arguments
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

    def proxy_for(self, url: URL) -> URL | None:
        """Find the proxy for a URL: the setting, or else the environment's.

        aiohttp alone looks up ``wss_proxy`` for ``wss://``, which nobody sets.

        Args:
            url: Where to connect, ``ws`` and ``wss`` included.

        Returns:
            The proxy's URL; None for a direct connection.
        """
        if self._options.proxy is not None:
            return URL(self._options.proxy)
        proxy = self._proxies().get(_PROXY_SCHEMES.get(url.scheme, url.scheme))
        if proxy is None or url.host is None or proxy_bypass(url.host):
            return None
        return proxy

    def _proxies(self) -> dict[str, URL]:
        # Once for each opening: reading them takes a tenth of the time of a request.
        if self._environment is None:
            self._environment = _environment_proxies()
        return self._environment

    def _proxy_arguments(self) -> dict[str, Any]:
        if self._options.proxy is None:
            # With trust_env aiohttp asks two threads per request, so only where there is a proxy.
            return {"trust_env": bool(self._proxies())}
        if SESSION_TAKES_PROXY:
            return {"proxy": self._options.proxy}
        logger.warning("aiohttp_proxy reaches driver.session only with aiohttp 3.11 or newer")
        return {}

    def _ssl(self) -> ssl.SSLContext | bool:
        if self._options.ssl_cafile is None:
            return True
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(cafile=self._options.ssl_cafile)
        except OSError as error:
            text = f"cannot be used as a CA: {error.strerror or error}"
            raise ValidationError({"aiohttp_ssl_cafile": text}) from None
        return context


def _environment_proxies() -> dict[str, URL]:
    """Read the environment's proxies that aiohttp can speak to, by the scheme that they serve."""
    proxies = {}
    for scheme, proxy in getproxies().items():
        if scheme not in ("http", "https"):
            continue
        if is_proxy_url(proxy):
            proxies[scheme] = URL(proxy)
        else:
            logger.warning("{}_PROXY is ignored: it is no http or https URL", scheme.upper())
    return proxies
