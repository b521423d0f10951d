"""``Proxies``: which proxy leads to a URL, as the setting or the environment has it.

It guards the promise that a proxy that is named is used or is an error, never passed by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from ..options import URL_SCHEME, read_proxy

_PLAIN_SCHEMES = {"ws": "http", "wss": "https"}
_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<host>[^:]*))(?::(?P<port>\d+))?")

MAX_KNOWN = 256
"""Hosts whose way is remembered."""

Network = IPv4Network | IPv6Network


class UnusableProxy(aiohttp.ClientConnectionError):
    """The proxy that is named for a URL cannot be used."""


def proxy_of_request(proxy: str | URL | None) -> URL | None:
    """Read the proxy that a request names.

    Args:
        proxy: Its URL; None or empty if it names no proxy.

    Returns:
        The URL, as ``read_proxy`` gives it; None if it names no proxy.

    Raises:
        UnusableProxy: The text is not the URL of a proxy. The error does not show it, for it may
            hold a password.
    """
    try:
        return read_proxy(str(proxy)) if proxy else None
    except ValueError as error:
        raise UnusableProxy(f"The proxy of the request {error}") from None


class Proxies:
    """The proxies of the setting and of the environment, as they were when it was last read."""

    def __init__(self, setting: str | None) -> None:
        """Take the setting; the environment is read when it is needed.

        Args:
            setting: URL of a proxy for everything, checked; None takes the environment's.
        """
        self._setting = None if setting is None else read_proxy(setting)
        self._environment: _Environment | None = None

    def forget_environment(self) -> None:
        """Read the environment anew when it is needed again."""
        self._environment = None

    def of_url(self, url: URL) -> URL | None:
        """Find the proxy for a URL.

        Args:
            url: Where to connect, ``ws`` and ``wss`` included.

        Returns:
            The proxy's URL, its scheme ``http``, ``https`` or ``socks5``; None for a direct
            connection. The environment's proxy does not count for loopback, and for what
            ``NO_PROXY`` names.

        Raises:
            UnusableProxy: The environment names one that cannot be used.
        """
        if self._setting is not None:
            return self._setting
        # Once for each opening: reading them takes a tenth of the time of a request.
        if self._environment is None:
            self._environment = _Environment()
        return self._environment.of_url(url)


class _Environment:
    """What the environment, or else the system's settings, say of proxies."""

    def __init__(self) -> None:
        named = getproxies()
        self._proxies = {name: named[name] for name in ("http", "https", "all") if named.get(name)}
        self._no_proxy = NoProxy.parse(named.get("no", ""))
        self._is_systems = not getproxies_environment()
        self._known: dict[tuple[str, str | None, int | None], URL | None] = {}

    def of_url(self, url: URL) -> URL | None:
        if not self._proxies:
            return None
        # Each call of an API asks, for a few hosts.
        key = url.scheme, url.raw_host, url.port
        if key not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = self._find(url)
        return self._known[key]

    def _find(self, url: URL) -> URL | None:
        scheme = _PLAIN_SCHEMES.get(url.scheme, url.scheme)
        name = scheme if scheme in self._proxies else "all"
        if name not in self._proxies or not url.host or self._is_direct(url.host, url):
            return None
        try:
            return read_proxy(self._proxies[name])
        except ValueError as error:
            where = "The system's proxy" if self._is_systems else f"{name.upper()}_PROXY"
            raise UnusableProxy(f"{where} {error}") from None

    def _is_direct(self, host: str, url: URL) -> bool:
        if is_loopback(host) or self._no_proxy.includes(url):
            return True
        # Windows and macOS have exceptions of their own. Before Python 3.13 this may look the name
        # up, which is one more reason to remember the answer.
        return self._is_systems and bool(proxy_bypass(host))


@dataclass(frozen=True)
class NoProxy:
    """Hosts that are reached without the environment's proxy: ``NO_PROXY``.

    Attributes:
        all: Whether it is all of them.
        networks: Networks and single addresses, each with the port that it is bound to, if any.
        names: Names, whose subdomains count too, each with its port.
    """

    all: bool
    networks: tuple[tuple[Network, int | None], ...]
    names: tuple[tuple[str, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> NoProxy:
        """Read a list as curl, Go and Python's ``requests`` have it.

        Args:
            text: Names, addresses and networks between commas or spaces; a port may follow a name
                or an address, ``*`` is everything.

        Returns:
            The exceptions.
        """
        entries = [URL_SCHEME.sub("", each) for each in re.split(r"[,\s]+", text.lower()) if each]
        networks: list[tuple[Network, int | None]] = []
        names: list[tuple[str, int | None]] = []
        for entry in entries:
            host, port = _host_and_port(entry)
            network = _network(host)
            if network is not None:
                networks.append((network, port))
            else:
                names.append((host.removeprefix("*").strip("."), port))
        return cls("*" in entries, tuple(networks), tuple(names))

    def includes(self, url: URL) -> bool:
        """Tell whether a URL is reached without the proxy; names are not resolved for it."""
        return self.all or any(self._matching(url))

    def _matching(self, url: URL) -> Iterator[bool]:
        hosts = [f".{each.lower().rstrip('.')}" for each in (url.host or "", url.raw_host or "")]
        port = url.port
        try:
            address = ip_address(hosts[0][1:])
        except ValueError:
            for name, only in self.names:
                # A name with other than ASCII characters has two forms.
                is_one = any(each.endswith(f".{name}") for each in hosts)
                yield only in (None, port) and bool(name) and is_one
        else:
            for network, only in self.networks:
                yield only in (None, port) and address in network


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if _network(entry) is not None:
        # An IPv6 address has colons of its own.
        return entry, None
    match = _HOST_AND_PORT.fullmatch(entry)
    if match is None:
        return entry, None
    return match["ipv6"] or match["host"], int(match["port"]) if match["port"] else None


def _network(text: str) -> Network | None:
    try:
        return ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, whatever its interfaces (RFC 6761, section 6.3).

    Args:
        host: A name or an IP address.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return f".{host.lower().rstrip('.')}".endswith(".localhost")
