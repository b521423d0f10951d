"""The URL of a proxy: what it may be, and why one cannot be used."""

from __future__ import annotations

import re
from importlib.util import find_spec

from yarl import URL

HAS_SOCKS = find_spec("aiohttp_socks") is not None
"""Whether the extra ``socks`` is installed."""

SOCKS_MISSING = 'a SOCKS proxy needs the extra: pip install "nonebot-aiohttp[socks]"'

# The proxy resolves all names, whatever the scheme says, because local DNS answers are forged where
# many of the users live. Desktops write socks:// into ALL_PROXY.
_PROXY_SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",
}

SOCKS_PORT = 1080
"""Port of a SOCKS proxy if its URL has no port (RFC 1928, section 3)."""

URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def read_proxy(text: str) -> URL:
    """Read the URL of a proxy, from a setting, from the environment or from a request.

    Args:
        text: The URL. Without a scheme it is an ``http`` URL, as in curl and httpx.

    Returns:
        A URL with a host, a port, and the scheme ``http``, ``https`` or ``socks5``.

    Raises:
        ValueError: The text is not such a URL. The error does not show it, because it may hold a
            password.
    """
    text = text.strip()
    try:
        url = URL(text if URL_SCHEME.match(text) else f"http://{text}")
        port = url.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if url.scheme not in _PROXY_SCHEMES or not url.host:
        raise ValueError("must be a URL of http, https, socks5 or socks5h")
    url = url.with_scheme(_PROXY_SCHEMES[url.scheme])
    return url.with_port(SOCKS_PORT) if port is None else url


def proxy_problem(text: str) -> str | None:
    """Say why a proxy cannot be used, without showing its URL; None if it can."""
    try:
        proxy = read_proxy(text)
    except ValueError as error:
        return str(error)
    return SOCKS_MISSING if is_socks(proxy) and not HAS_SOCKS else None


def is_socks(proxy: URL) -> bool:
    """Tell whether a proxy that ``read_proxy`` has read speaks SOCKS."""
    return proxy.scheme == "socks5"
