"""``Connector``: makes all connections to platforms, by the way that their proxies need.

It guards two rules: whoever asks has one session for all ways, and everything that goes wrong on
them is an ``aiohttp.ClientError``.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
from yarl import URL

from .interim import guard
from .locations import as_it_stands
from .proxies import (
    HAS_SOCKS,
    SOCKS_MISSING,
    SOCKS_PORT,
    Proxies,
    UnusableProxy,
    is_socks,
    read_proxy,
)
from .resolver import SystemResolver

DNS_CACHE_TTL = 300
"""Seconds that a looked-up address is used again; aiohttp's own 10 make a look-up per API call."""


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
        proxies: Tell the proxy of a request that names none.

    Returns:
        The class.
    """

    class Request(ProxiedRequest):
        # Not the constructor, whose twenty arguments take half as long as all it does.
        def update_host(self, url: URL) -> None:
            self.url = as_it_stands(self.url)
            super().update_host(self.url)

        def update_proxy(self, proxy: URL | None, *rest: Any) -> None:
            proxy = proxies.of_url(self.url) if proxy is None else _named(proxy)
            if proxy is not None and is_socks(proxy):
                self.socks, proxy = proxy, None
            super().update_proxy(proxy, *rest)

    return Request


def _named(proxy: URL) -> URL:
    try:
        return read_proxy(str(proxy))
    except ValueError as error:
        raise UnusableProxy(f"The proxy of the request {error}") from None


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
        self._socks: dict[URL, aiohttp.TCPConnector] = {}
        super().__init__(ttl_dns_cache=DNS_CACHE_TTL, resolver=SystemResolver(), **self._arguments)

    async def connect(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        """Connect, or take a connection that stands; see ``aiohttp.BaseConnector``.

        Raises:
            aiohttp.ClientConnectionError: That failed.
        """
        socks = getattr(req, "socks", None)
        try:
            if socks is None:
                connection = await super().connect(req, *args, **kwargs)
            else:
                connection = await self._through(socks, req, *args, **kwargs)
        except BaseException:
            self._forget_address(req.proxy or req.url)
            raise
        guard(connection)
        return connection

    async def _through(self, socks: URL, req: Any, *args: Any, **kwargs: Any) -> Any:
        if not HAS_SOCKS:
            raise UnusableProxy(SOCKS_MISSING)
        # Not at the top, for it is an extra.
        from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

        key = req.connection_key
        try:
            return await self._connector_for(socks).connect(req, *args, **kwargs)
        except ProxyTimeoutError:
            raise aiohttp.ConnectionTimeoutError(f"{_peer(socks)} did not answer") from None
        except (ProxyConnectionError, ProxyError) as error:
            failure = OSError(None, f"{_peer(socks)}: {error}")
            raise aiohttp.ClientProxyConnectionError(key, failure) from error
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(key, error) from error

    def _connector_for(self, socks: URL) -> aiohttp.TCPConnector:
        connector = self._socks.get(socks)
        if connector is None:
            from aiohttp_socks import ProxyConnector

            connector = self._socks[socks] = ProxyConnector(
                host=socks.host or "",
                port=socks.port or SOCKS_PORT,
                username=socks.user,
                # One of no characters is one (RFC 1929, section 2).
                password=socks.password or "",
                # Names are resolved there.
                rdns=True,
                **self._arguments,
            )
        return connector

    def _forget_address(self, url: URL) -> None:
        """Forget what a name has meant, for it may have moved."""
        if url.raw_host is not None and url.port is not None:
            self.clear_dns_cache(url.raw_host, url.port)

    async def close(self, **how: Any) -> None:
        """Close all connections; see ``aiohttp.BaseConnector``."""
        socks = tuple(self._socks.values())
        self._socks.clear()
        await asyncio.gather(super().close(**how), *(each.close(**how) for each in socks))


def _peer(socks: URL) -> str:
    """Name a proxy without its password."""
    return f"the SOCKS proxy {socks.host}:{socks.port}"
