"""`InboundRequest` by itself, with requests that no client sends."""

from typing import Any

import pytest
from multidict import CIMultiDict
from nonebot.drivers import URL

from nonebot_aiohttp.drivers import HTTPRequest
from nonebot_aiohttp.nonebot2.models import InboundRequest


def url_of(host: str | None, path: str = "/x", query: bytes = b"") -> URL:
    """Return the URL of a request with a ``Host`` header."""
    headers: Any = CIMultiDict({} if host is None else {"host": host})
    return InboundRequest(HTTPRequest("1.1", "http", path, query, headers)).url


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("bot.example", "http://bot.example/x"),
        ("bot_1.example:8080", "http://bot_1.example:8080/x"),
        ("a:65535", "http://a:65535/x"),
        ("[::1]:8080", "http://[::1]:8080/x"),
        ("[2001:db8::1]", "http://[2001:db8::1]/x"),
        ("127.0.0.1:1", "http://127.0.0.1:1/x"),
        ("中文.example", "http://xn--fiq228c.example/x"),
        ("xn--fiq228c.example", "http://xn--fiq228c.example/x"),
    ],
)
def test_host(host: str, expected: str) -> None:
    assert url_of(host) == URL(expected)


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", " ", "a:65536", "a:99999", "a:x", "a:-1", "a/b?c#d", "u:p@a", "a b", "%41"),
        *("[zz]", "[1.2.3.4]", "[:::]", "[::1", "::1", "a:" + "9" * 5000, "\udcff", "xn--\x80"),
    ],
)
def test_no_host(host: str | None) -> None:
    assert url_of(host, "/x", b"y=1") == URL("http://localhost/x?y=1")


@pytest.mark.parametrize("path", ["/", "/a b", "/a%2Fb", "/a?b#c", "/机器人", "//x/y", "/a:b@c"])
@pytest.mark.parametrize("host", ["[::1]", "[::1]:80", "a:8080"])
def test_path(host: str, path: str) -> None:
    url = url_of(host, path, b"a=%2B&b=?")
    assert (url.path, url.raw_query_string) == (path, "a=%2B&b=?")
    assert url.origin() == URL(f"http://{host}").origin()
