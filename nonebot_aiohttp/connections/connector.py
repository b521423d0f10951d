"""``Connector``: makes all connections to platforms, directly or through a proxy.

It guards two rules. One session serves all requests, with every kind of proxy and without. Every
failure of a connection is an ``aiohttp.ClientError``.
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

from ..settings.proxy import HAS_SOCKS, SOCKS_MISSING, SOCKS_PORT, is_socks
from .calls import CallCounts
from .cookies import own_header
from .interim import guard
from .locations import as_it_stands
from .proxies import Proxies, UnusableProxy, proxy_of_request
from .resolver import CACHE_TTL, AddressCache, SystemResolver

_ONE_DAY = 86_400.0


class ProxiedRequest(aiohttp.ClientRequest):
    """A request that knows its proxy; see ``request_class``.

    Attributes:
        socks: The SOCKS proxy, which aiohttp itself does not support; None for no SOCKS proxy.
        calls: Counts the request if it cannot connect; None counts nothing.
    """

    socks: URL | None = None
    calls: CallCounts | None = None


def request_class(proxies: Proxies, counts: CallCounts | None = None) -> type[ProxiedRequest]:
    """Make the class of a session's requests, with the proxies for requests that name no proxy.

    It replaces aiohttp's ``trust_env``, which also reads passwords from ``.netrc``. The target of a
    redirect gets the proxy of its own URL. The class quotes only what must be quoted in it, because
    the session has ``requote_redirect_url=False``.
    """

    class Request(ProxiedRequest):
        calls = counts

        # Not the constructor: to pass on its twenty arguments takes half as long as all it does.
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
            try:
                proxy = proxies.of_url(self.url) if proxy is None else proxy_of_request(proxy)
            except UnusableProxy:
                if counts is not None:
                    counts.failed(self.url)
                raise
            if proxy is not None and is_socks(proxy):
                self.socks, proxy = proxy_with_login(proxy, proxy_auth), None
            elif proxy is not None and proxy.user is not None:
                proxy_headers = CIMultiDict(proxy_headers or {})
                # Not in the URL: aiohttp shows it in errors, and cannot encode every password.
                headers = proxy_headers if self.is_ssl() else self.headers
                headers[hdrs.PROXY_AUTHORIZATION] = basic(proxy)
                proxy = proxy.with_user(None)
            super().update_proxy(proxy, proxy_auth, proxy_headers)

    return Request


def proxy_with_login(proxy: URL, login: Any) -> URL:
    """Add a login, aiohttp's ``BasicAuth`` or None, to the URL of a proxy that has none."""
    if login is None or proxy.user is not None:
        return proxy
    return proxy.with_user(login.login).with_password(login.password)


def basic(url: URL) -> str:
    """Make an ``Authorization`` header of the user and password of a URL (RFC 7617), in UTF-8."""
    login = f"{url.user}:{url.password or ''}"
    return "Basic " + b64encode(login.encode(errors="replace")).decode()


class Connector(aiohttp.TCPConnector):
    """The connector of all outbound requests, which contains one for each SOCKS proxy.

    It has no limit of connections. Forward WebSockets and long polls hold theirs for days, and even
    hundreds of them must leave connections for API calls.
    """

    def __init__(self, trusted: ssl.SSLContext | bool) -> None:
        """Make it on the running loop; for ``trusted`` see ``ssl`` of ``aiohttp.TCPConnector``."""
        self._arguments: dict[str, Any] = {"limit": 0, "ssl": trusted}
        # By the URL of a proxy and one address of its host.
        self._socks: dict[tuple[URL, str], aiohttp.TCPConnector] = {}
        resolver = SystemResolver()
        self._socks_addresses = AddressCache(resolver)
        super().__init__(ttl_dns_cache=CACHE_TTL, resolver=resolver, **self._arguments)

    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        """Connect, or reuse a connection; see ``aiohttp.BaseConnector``."""
        socks = getattr(req, "socks", None)
        try:
            if socks is None:
                connection = await super().connect(req, traces, timeout)
            else:
                connection = await self._connect_through(socks, req, traces, timeout)
        except BaseException:
            self._forget(socks or req.proxy or req.url)
            if (calls := getattr(req, "calls", None)) is not None:
                calls.failed(req.url)
            raise
        guard(connection)
        return connection

    async def _connect_through(
        self, socks: URL, req: Any, traces: Any, timeout: aiohttp.ClientTimeout
    ) -> Any:
        if not HAS_SOCKS:
            raise UnusableProxy(SOCKS_MISSING)
        # Not at the top of the module, because it is an extra.
        from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

        key = req.connection_key
        try:
            connectors = await self._connectors_for(socks)
            return await _connect_to_any(connectors, req, traces, without_socks_limit(timeout))
        except (aiohttp.ClientError, asyncio.TimeoutError):
            raise
        except ProxyTimeoutError:
            raise aiohttp.ConnectionTimeoutError(f"{_peer(socks)} did not answer") from None
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(key, error) from error
        except (ProxyConnectionError, ProxyError, OSError, EOFError, ValueError) as error:
            # For example: the proxy closes the connection, or a host name is too long for it.
            failure = OSError(None, f"{_peer(socks)}: {str(error) or type(error).__name__}")
            raise aiohttp.ClientProxyConnectionError(key, failure) from error

    async def _connectors_for(self, socks: URL) -> list[Any]:
        """Return the connectors of a proxy, one for each address of its host."""
        if self.closed:
            raise aiohttp.ClientConnectionError("Connector is closed.")
        addresses = await self._socks_addresses.addresses(socks.host or "")
        return [self._connector_for(socks, address) for address in addresses]

    def _connector_for(self, socks: URL, address: str) -> Any:
        connector = self._socks.get((socks, address))
        if connector is None:
            from aiohttp_socks import ProxyConnector

            connector = self._socks[socks, address] = ProxyConnector(
                host=address,
                port=socks.port or SOCKS_PORT,
                username=socks.user,
                # A login has a password, which may be empty (RFC 1929, section 2).
                password=socks.password or "",
                # The proxy resolves host names.
                rdns=True,
                **self._arguments,
            )
        return connector

    def _forget(self, url: URL) -> None:
        """Forget the addresses of a host, because it may have moved."""
        if url.raw_host is not None and url.port is not None:
            self.clear_dns_cache(url.raw_host, url.port)
            self._socks_addresses.forget(url.raw_host)

    async def close(self, **how: Any) -> None:
        """Close all connections; see ``aiohttp.BaseConnector``."""
        socks = tuple(self._socks.values())
        self._socks.clear()
        await asyncio.gather(super().close(**how), *(each.close(**how) for each in socks))


async def _connect_to_any(
    connectors: list[Any], req: Any, traces: Any, timeout: aiohttp.ClientTimeout
) -> Any:
    from aiohttp_socks import ProxyConnectionError

    *others, last = connectors
    for each in others:
        # A proxy may listen on one address of localhost only.
        with suppress(ProxyConnectionError):
            return await each.connect(req, traces, timeout)
    return await last.connect(req, traces, timeout)


def without_socks_limit(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Set ``sock_connect`` to a day if it is None, because python-socks gives up after 60 s."""
    if timeout.sock_connect is not None:
        return timeout
    return aiohttp.ClientTimeout(
        total=timeout.total, connect=timeout.connect, sock_connect=_ONE_DAY
    )


def _peer(socks: URL) -> str:
    """Name a proxy for errors, without its login."""
    return f"the SOCKS proxy {socks.raw_authority.rpartition('@')[2]}"
