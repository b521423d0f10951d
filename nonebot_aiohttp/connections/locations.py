"""Targets of redirects, requested as they are: ``%2F`` stays, because a signature may contain it.

aiohttp either quotes a ``Location`` again, and ``a%2Fb`` becomes ``a/b``; or it does not quote, and
a space gets into the request line. This quotes only what must be quoted, as curl and httpx do.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import aiohttp
from yarl import URL

# Reserved characters (RFC 3986, section 2.2), and the percent sign of what is quoted already.
_SAFE = ":/?#[]@!$&'()*+,;=~%"
_UNSAFE = re.compile(r"[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]")


def as_it_stands(url: URL) -> URL:
    """Quote the characters that cannot be sent in a URL, and nothing else.

    Raises:
        aiohttp.InvalidURL: The host is not valid.
    """
    path, query = url.raw_path, url.raw_query_string
    if not _UNSAFE.search(path) and not _UNSAFE.search(query) and url.raw_authority.isascii():
        return url
    try:
        # Characters of a host beyond ASCII are encoded with IDNA, as in any other URL.
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
