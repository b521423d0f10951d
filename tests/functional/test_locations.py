"""The targets of redirects that the shared sessions follow: requested as they stand."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from nonebot_aiohttp.connections.locations import as_it_stands
from tests.support import scripts
from tests.support.pools import opened
from tests.support.server import Script, ScriptedServer

pytestmark = pytest.mark.both_loops


def redirect(location: str) -> Script:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nConnection: close\r\n"
    return scripts.raw(f"{head}Content-Length: 0\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/to?sig=a%2Fb%3d&x=%7E%e4", "/to?sig=a%2Fb%3d&x=%7E%e4"),
        ("/a%2Fb;c=1/%7E", "/a%2Fb;c=1/%7E"),
        ("/to?x=1 2&sig=a%2Fb", "/to?x=1%202&sig=a%2Fb"),
        ("/图?x=你&sig=a%2Fb#fragment", "/%E5%9B%BE?x=%E4%BD%A0&sig=a%2Fb"),
        ('/to?x=<">\\^`{|}100%', "/to?x=%3C%22%3E%5C%5E%60%7B%7C%7D100%"),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
async def test_as_it_stands(location: str, target: str, absolute: bool) -> None:
    async with opened() as pool:
        for session in (pool.get(), pool.get("1.0"), pool.lend()):
            async with ScriptedServer(scripts.status(200)) as other:
                start = other.url.rstrip("/") if absolute else ""
                async with ScriptedServer(redirect(start + location), scripts.status(200)) as first:
                    await session.get(first.url)
                    server = other if absolute else first
                    assert server.attempts[-1].request.target == target
        await pool.take_back(session)


async def test_what_is_no_url_is_an_error_of_aiohttps() -> None:
    async with opened() as pool, ScriptedServer(redirect("http://\u2100.example:1/")) as server:
        with pytest.raises(aiohttp.ClientError):
            await pool.get().get(server.url)


@pytest.mark.parametrize("text", ["http://a/b%2Fc?d=%2B&e=f+g", "http://[::1]:8080/", "http://a"])
def test_what_can_be_sent_is_left_alone(text: str) -> None:
    url = URL(text, encoded=True)
    assert as_it_stands(url) is url


def test_the_name_of_a_host_is_encoded() -> None:
    url = URL("http://u:p@中文.example:8080/a?b", encoded=True)
    assert str(as_it_stands(url)) == "http://u:p@xn--fiq228c.example:8080/a?b"
