"""``Connector``: makes all connections to platforms, by the way that their proxies need.

It guards two rules: whoever asks has one session for all ways, and everything that goes wrong on
them is an ``aiohttp.ClientError``.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from ..options import HAS_SOCKS, SOCKS_MISSING, SOCKS_PORT, is_socks
from .cookies import own_header
from .interim import guard
from .locations import as_it_stands
from .proxies import Proxies, UnusableProxy, proxy_of_request
from .resolver import CACHE_TTL, Names, SystemResolver

_FOR_EVER = 86_400.0


class ProxiedRequest(aiohttp.ClientRequest):
    """A request that knows its way; see ``request_class``.

    Attributes:
        socks: The SOCKS proxy on it, if any, of which aiohttp knows nothing.
    """

    socks: URL | None = None


def request_class(proxies: Proxies) -> type[ProxiedRequest]:
    """Make the class of the requests of a session.

    It spares aiohttp's ``trust_env``, which reads the passwords of ``.netrc`` along with the
    proxies, and asks anew for the target of each redirect. That is quoted only where it must be:
    the session has ``requote_redirect_url=False``.

    Args:
        proxies: Tell the proxy of a request that does not name one.

    Returns:
        The class.
    """

    class Request(ProxiedRequest):
        # Not the constructor, whose twenty arguments take half as long as all it does.
        def update_host(self, url: URL) -> None:
            self.url = as_it_stands(self.url)
            super().update_host(self.url)

        def update_cookies(self, cookies: Any) -> None:
            own = own_header.get()
            if own is not None:
                if own.goes_to(self.original_url):
                    return
                self.headers.popall(hdrs.COOKIE, None)
            super().update_cookies(cookies)

        def update_proxy(self, proxy: URL | None, proxy_auth: Any, proxy_headers: Any) -> None:
            proxy = proxies.of_url(self.url) if proxy is None else proxy_of_request(proxy)
            if proxy is not None and is_socks(proxy):
                self.socks, proxy = proxy_with_login(proxy, proxy_auth), None
            elif proxy is not None and proxy.user is not None:
                proxy_headers = CIMultiDict(proxy_headers or {})
                # aiohttp shows the URL in its errors, and cannot encode every password.
                headers = proxy_headers if self.is_ssl() else self.headers
                headers[hdrs.PROXY_AUTHORIZATION] = basic(proxy)
                proxy = proxy.with_user(None)
            super().update_proxy(proxy, proxy_auth, proxy_headers)

    return Request


def proxy_with_login(proxy: URL, login: Any) -> URL:
    """Put a login into the URL of a proxy that has no login.

    Args:
        proxy: The URL.
        login: aiohttp's ``BasicAuth``, if there is one.

    Returns:
        The URL.
    """
    if login is None or proxy.user is not None:
        return proxy
    return proxy.with_user(login.login).with_password(login.password)


def basic(url: URL) -> str:
    """Make the credentials of a URL (RFC 7617), in UTF-8.

    Args:
        url: The URL, of a proxy or of a request, with a user.

    Returns:
        The value of the header ``Proxy-Authorization`` or ``Authorization``.
    """
    login = f"{url.user}:{url.password or ''}"
    return "Basic " + b64encode(login.encode(errors="replace")).decode()


class Connector(aiohttp.TCPConnector):
    """One connector for everything outbound, and within it one for each SOCKS proxy.

    It has no limit: forward WebSockets and long polls hold their connections for days, and the
    hundredth of them must not starve the API calls.
    """

    def __init__(self, trusted: ssl.SSLContext | bool) -> None:
        """Make the connector on the running loop.

        Args:
            trusted: Says which certificates are; see ``ssl`` of ``aiohttp.TCPConnector``.
        """
        self._arguments: dict[str, Any] = {"limit": 0, "ssl": trusted}
        # One for each address that a proxy's name has.
        self._socks: dict[tuple[URL, str], aiohttp.TCPConnector] = {}
        resolver = SystemResolver()
        self._socks_names = Names(resolver)
        super().__init__(ttl_dns_cache=CACHE_TTL, resolver=resolver, **self._arguments)

    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        """Connect, or take a connection that stands; see ``aiohttp.BaseConnector``.

        Raises:
            aiohttp.ClientConnectionError: That failed.
        """
        socks = getattr(req, "socks", None)
        try:
            if socks is None:
                connection = await super().connect(req, traces, timeout)
            else:
                connection = await self._through(socks, req, traces, timeout)
        except BaseException:
            self._forget(socks or req.proxy or req.url)
            raise
        guard(connection)
        return connection

    async def _through(
        self, socks: URL, req: Any, traces: Any, timeout: aiohttp.ClientTimeout
    ) -> Any:
        if not HAS_SOCKS:
            raise UnusableProxy(SOCKS_MISSING)
        # Not at the top, for it is an extra.
        from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

        key = req.connection_key
        try:
            connectors = await self._connectors_for(socks)
            return await _connect_by_one(connectors, req, traces, patient(timeout))
        except (aiohttp.ClientError, asyncio.TimeoutError):
            raise
        except ProxyTimeoutError:
            raise aiohttp.ConnectionTimeoutError(f"{_peer(socks)} did not answer") from None
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(key, error) from error
        except (ProxyConnectionError, ProxyError, OSError, EOFError, ValueError) as error:
            # A proxy that leaves in between, or a name that is too long for it, among others.
            failure = OSError(None, f"{_peer(socks)}: {str(error) or type(error).__name__}")
            raise aiohttp.ClientProxyConnectionError(key, failure) from error

    async def _connectors_for(self, socks: URL) -> list[Any]:
        """Find the connectors of a proxy, one for each address of its name."""
        if self.closed:
            raise aiohttp.ClientConnectionError("Connector is closed.")
        addresses = await self._socks_names.addresses(socks.host or "")
        return [self._connector_for(socks, address) for address in addresses]

    def _connector_for(self, socks: URL, address: str) -> Any:
        connector = self._socks.get((socks, address))
        if connector is None:
            from aiohttp_socks import ProxyConnector

            connector = self._socks[socks, address] = ProxyConnector(
                host=address,
                port=socks.port or SOCKS_PORT,
                username=socks.user,
                # One of no characters is one (RFC 1929, section 2).
                password=socks.password or "",
                # Names are resolved there.
                rdns=True,
                **self._arguments,
            )
        return connector

    def _forget(self, url: URL) -> None:
        """Forget what a name has meant, for it may have moved."""
        if url.raw_host is not None and url.port is not None:
            self.clear_dns_cache(url.raw_host, url.port)
            self._socks_names.forget(url.raw_host)

    async def close(self, **how: Any) -> None:
        """Close all connections; see ``aiohttp.BaseConnector``."""
        socks = tuple(self._socks.values())
        self._socks.clear()
        await asyncio.gather(super().close(**how), *(each.close(**how) for each in socks))


async def _connect_by_one(
    connectors: list[Any], req: Any, traces: Any, timeout: aiohttp.ClientTimeout
) -> Any:
    from aiohttp_socks import ProxyConnectionError

    *others, last = connectors
    for each in others:
        # One of the addresses of localhost, say, where the proxy listens on the other.
        with suppress(ProxyConnectionError):
            return await each.connect(req, traces, timeout)
    return await last.connect(req, traces, timeout)


def patient(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Keep python-socks from giving up after its own 60 seconds, where aiohttp has no limit.

    Args:
        timeout: aiohttp's limits.

    Returns:
        The same, with a ``sock_connect`` that other limits always come before.
    """
    if timeout.sock_connect is not None:
        return timeout
    return aiohttp.ClientTimeout(
        total=timeout.total, connect=timeout.connect, sock_connect=_FOR_EVER
    )


def _peer(socks: URL) -> str:
    """Name a proxy without its password."""
    return f"the SOCKS proxy {socks.raw_authority.rpartition('@')[2]}"
