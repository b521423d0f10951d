"""Targets of redirects, requested as they stand: ``%2F`` stays, for it is in somebody's signature.

aiohttp quotes a ``Location`` anew, by which ``a%2Fb`` becomes ``a/b``; or, on demand, not at all,
by which a space in it ends up in the request line. This is in between, as curl and httpx do it.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import aiohttp
from yarl import URL

# RFC 3986, section 2.2: what separates or may stand, and the percent sign of what is encoded.
_SAFE = ":/?#[]@!$&'()*+,;=~%"
_UNSAFE = re.compile(r"[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]")


def as_it_stands(url: URL) -> URL:
    """Quote what cannot be sent in a URL, and nothing else.

    Args:
        url: The URL; from a redirect it has whatever the server has sent, unquoted.

    Returns:
        The URL.

    Raises:
        aiohttp.InvalidURL: Its host is not valid.
    """
    path, query = url.raw_path, url.raw_query_string
    if not _UNSAFE.search(path) and not _UNSAFE.search(query) and url.raw_authority.isascii():
        return url
    try:
        # Other than ASCII characters in a name are encoded as IDNA has it, as in any other URL.
        authority = URL(f"{url.scheme}://{url.raw_authority}").raw_authority
    except ValueError:
        raise aiohttp.InvalidURL(url) from None
    return URL.build(
        scheme=url.scheme,
        authority=authority,
        path=quote(path, _SAFE, errors="replace"),
        query_string=quote(query, _SAFE, errors="replace"),
        encoded=True,
    )
