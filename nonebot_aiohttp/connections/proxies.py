"""``Proxies``: which proxy leads to a URL, as the setting or the environment has it.

It guards the promise that a proxy that is named is used or is an error, never passed by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

HAS_SOCKS = find_spec("aiohttp_socks") is not None
"""Whether the extra ``socks`` is installed."""

SOCKS_MISSING = "a SOCKS proxy needs the extra: pip install nonebot-aiohttp[socks]"

# At the proxy all names are resolved, whatever the scheme says: they are poisoned where many of
# the users live. Desktops write socks:// into ALL_PROXY.
_SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",
}

SOCKS_PORT = 1080
"""Port of a SOCKS proxy that names none (RFC 1928, section 3)."""

_PLAIN_SCHEMES = {"ws": "http", "wss": "https"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<host>[^:]*))(?::(?P<port>\d+))?")

Network = IPv4Network | IPv6Network


class UnusableProxy(aiohttp.ClientConnectionError):
    """The proxy that is named for a URL cannot be used."""


def read_proxy(text: str) -> URL:
    """Read the URL of a proxy.

    Args:
        text: The URL; one without scheme is one of ``http``, as curl and httpx have it.

    Returns:
        The URL, its scheme ``http``, ``https`` or ``socks5``, its host in place.

    Raises:
        ValueError: It is none, or its scheme is another; the text says so without the URL.
    """
    text = text.strip()
    try:
        url = URL(text if _SCHEME.match(text) else f"http://{text}")
        port = url.port
    except ValueError:
        raise ValueError("is no URL of a proxy") from None
    if url.scheme not in _SCHEMES or not url.host:
        raise ValueError("must be a URL of http, https, socks5 or socks5h")
    url = url.with_scheme(_SCHEMES[url.scheme])
    return url.with_port(SOCKS_PORT) if port is None else url


def problems_of_proxy(text: str) -> Iterator[str]:
    """Yield what is wrong with the URL of a proxy, without showing it, for it may hold a password.

    Args:
        text: The URL.
    """
    try:
        proxy = read_proxy(text)
    except ValueError as error:
        yield str(error)
    else:
        if is_socks(proxy) and not HAS_SOCKS:
            yield SOCKS_MISSING


def is_socks(proxy: URL) -> bool:
    """Tell whether a proxy speaks SOCKS."""
    return proxy.scheme == "socks5"


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
            self._environment = _Environment.read()
        return self._environment.of_url(url)


@dataclass(frozen=True)
class _Environment:
    """What the environment, or the system's settings, say of proxies.

    Attributes:
        proxies: The proxies as they are named, by the scheme of URLs, or ``all``.
        exceptions: What is reached without.
        asks_system: Whether the system's settings have exceptions of their own.
    """

    proxies: dict[str, str]
    exceptions: Exceptions
    asks_system: bool

    @classmethod
    def read(cls) -> _Environment:
        named = getproxies()
        proxies = {name: named[name] for name in ("http", "https", "all") if named.get(name)}
        exceptions = Exceptions.parse(named.get("no", ""))
        return cls(proxies, exceptions, not getproxies_environment())

    def of_url(self, url: URL) -> URL | None:
        if not self.proxies:
            return None
        scheme = _PLAIN_SCHEMES.get(url.scheme, url.scheme)
        name = scheme if scheme in self.proxies else "all"
        if name not in self.proxies or not url.host or self._is_exception(url):
            return None
        try:
            return read_proxy(self.proxies[name])
        except ValueError as error:
            raise UnusableProxy(f"{name.upper()}_PROXY {error}") from None

    def _is_exception(self, url: URL) -> bool:
        host = url.host or ""
        if is_loopback(host) or self.exceptions.include(url):
            return True
        return self.asks_system and bool(proxy_bypass(host))


@dataclass(frozen=True)
class Exceptions:
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
    def parse(cls, text: str) -> Exceptions:
        """Read a list as curl, Go and Python's ``requests`` have it.

        Args:
            text: Names, addresses and networks between commas or spaces; a port may follow a name
                or an address, ``*`` is everything.

        Returns:
            The exceptions.
        """
        entries = [_SCHEME.sub("", each) for each in re.split(r"[,\s]+", text.lower()) if each]
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

    def include(self, url: URL) -> bool:
        """Tell whether a URL is reached without the proxy; names are not resolved for it."""
        return self.all or any(self._matching(url))

    def _matching(self, url: URL) -> Iterator[bool]:
        host, port = (url.host or "").lower().rstrip("."), url.port
        try:
            address = ip_address(host)
        except ValueError:
            for name, only in self.names:
                yield only in (None, port) and bool(name) and f".{host}".endswith(f".{name}")
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
