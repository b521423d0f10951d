"""``Proxies``: chooses the proxy for a URL, by the setting or the environment.

It guards the promise that a configured proxy is used or is an error. No request goes around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from ..settings.proxy import URL_SCHEME, read_proxy
from .schemes import http_scheme

_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<host>[^:]*))(?::(?P<port>\d+))?")

MAX_KNOWN = 256
"""URLs, apart from their paths, whose proxy is remembered."""

Network = IPv4Network | IPv6Network


class UnusableProxy(aiohttp.ClientConnectionError):
    """The proxy that is configured for a URL cannot be used."""


def proxy_of_request(proxy: str | URL | None) -> URL | None:
    """Read the proxy that a request names; None and an empty text name no proxy.

    Raises:
        UnusableProxy: The text is not the URL of a proxy. The error does not show the text, because
            it may contain a password.
    """
    try:
        return read_proxy(str(proxy)) if proxy else None
    except ValueError as error:
        raise UnusableProxy(f"The proxy of the request {error}") from None


class Proxies:
    """The proxy of the setting, or else the proxies of the environment, which is read once."""

    def __init__(self, setting: str | None) -> None:
        """Take a checked setting; None means that the proxies of the environment are used."""
        self._setting = None if setting is None else read_proxy(setting)
        self._environment: _Environment | None = None

    def forget_environment(self) -> None:
        """Read the environment again when it is needed."""
        self._environment = None

    def of_url(self, url: URL) -> URL | None:
        """Return the proxy for a URL of HTTP or WebSockets, or None for a direct connection.

        Its scheme is ``http``, ``https`` or ``socks5``. The proxies of the environment are not used
        for loopback and for hosts in ``NO_PROXY``.

        Raises:
            UnusableProxy: The environment names a proxy that cannot be used.
        """
        if self._setting is not None:
            return self._setting
        # Once for each time the pool opens, because it takes a tenth of the time of a request.
        if self._environment is None:
            self._environment = _Environment()
        return self._environment.of_url(url)


class _Environment:
    """The proxies of the environment variables, or else of the system's settings."""

    def __init__(self) -> None:
        named = getproxies()
        self._proxies = {name: named[name] for name in ("http", "https", "all") if named.get(name)}
        self._no_proxy = NoProxy.parse(named.get("no", ""))
        self._is_systems = not getproxies_environment()
        self._known: dict[tuple[str, str | None, int | None], URL | None] = {}

    def of_url(self, url: URL) -> URL | None:
        if not self._proxies:
            return None
        # Each API call asks, and all of them go to a few hosts.
        key = url.scheme, url.raw_host, url.port
        if key not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = self._find(url)
        return self._known[key]

    def _find(self, url: URL) -> URL | None:
        scheme = http_scheme(url.scheme)
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
        # Windows and macOS have exceptions of their own. Before Python 3.13 this may look up the
        # host, which is one more reason to remember the answer.
        return self._is_systems and bool(proxy_bypass(host))


@dataclass(frozen=True)
class NoProxy:
    """``NO_PROXY``: the hosts that are reached without the proxy of the environment.

    Attributes:
        all: Whether all hosts are.
        networks: Networks and single addresses, each with the only port that counts, or None.
        names: Host names, which include their subdomains, each with the only port that counts, or
            None.
    """

    all: bool
    networks: tuple[tuple[Network, int | None], ...]
    names: tuple[tuple[str, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> NoProxy:
        """Read a list as curl, Go and Python's ``requests`` do.

        Commas or spaces separate names, addresses and networks. A port may follow a name or an
        address. ``*`` stands for all hosts.
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
        """Return whether a URL is reached without the proxy; no host is looked up for this."""
        return self.all or any(self._matching(url))

    def _matching(self, url: URL) -> Iterator[bool]:
        hosts = [f".{each.lower().rstrip('.')}" for each in (url.host or "", url.raw_host or "")]
        port = url.port
        try:
            address = ip_address(hosts[0][1:])
        except ValueError:
            for name, only in self.names:
                # A name beyond ASCII has two forms.
                is_one = any(each.endswith(f".{name}") for each in hosts)
                yield only in (None, port) and bool(name) and is_one
        else:
            for network, only in self.networks:
                yield only in (None, port) and address in network


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if _network(entry) is not None:
        # An IPv6 address contains colons.
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
    """Return whether a name or an IP address is the loopback interface (RFC 6761, section 6.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return f".{host.lower().rstrip('.')}".endswith(".localhost")
