"""By which names operators come: DNS rebinding lets any name point to this machine."""

from __future__ import annotations

import pytest

from tests.support.bots import Adapter
from tests.support.operated import DETAILS, PLACES, TOKEN, Looking, head, operated, send, statuses


@pytest.fixture(params=["its port", "add_subapp"])
def place(request: pytest.FixtureRequest) -> Looking:
    """Give the port of its own, and a site with a prefix and a middleware."""
    return PLACES[request.param]


ALLOWED = [
    "127.0.0.1",
    "127.0.0.1:9100",
    "127.8.9.10",
    "10.0.0.5:1",
    "localhost",
    "LocalHost",
    "localhost:9100",
    "[::1]",
    "[::1]:9100",
    "[fe80::1]",
    "status.example.org",
    "STATUS.example.org:443",
    "nas",
]

REFUSED = [
    "",
    "evil.example",
    "evil.example:9100",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "localhost.",
    "127.0.0.1.",
    "localhost.localdomain",
    "xlocalhost",
    "127.0.0.1@evil.example",
    "evil.example@127.0.0.1",
    "user:word@localhost",
    "localhost@localhost",
    "127.0.0.1/evil.example",
    "evil.example/127.0.0.1",
    "evil.example#127.0.0.1",
    "evil.example?127.0.0.1",
    "127.0.0.1#",
    "localhost\\evil.example",
    "localhost:80:80",
    "localhost:port",
    "localhost:-1",
    "localhost:999999",
    "http://localhost",
    "//localhost",
    "localhost, evil.example",
    "localhost evil.example",
    "evil.example, localhost",
    "[::1",
    "::1",
    "[::1].evil.example",
    "[localhost]",
    "[evil.example]",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "127.000.000.001",
    "status.example.org.evil.example",
    "x.status.example.org",
    "*",
    "%6cocalhost",
    "loc\xe1lhost",
    "\xe2\x93\x9bocalhost",
    "-",
    ".",
    ":80",
]


@pytest.mark.parametrize("host", ALLOWED)
async def test_names_that_are_allowed(place: Looking, adapter: Adapter, host: str) -> None:
    driver = operated(adapter, ops_names=["status.example.org", "NAS"])
    async with place(driver) as (port, prefix):
        credentials = f"Authorization: Bearer {TOKEN}"
        for path in ("/livez", "/status"):
            answer = await send(port, head("GET", prefix + path, credentials, host=host))
            assert statuses(answer) == [200], answer


@pytest.mark.promise("operations: a page in a browser cannot get in by DNS rebinding")
@pytest.mark.parametrize("host", REFUSED)
async def test_names_that_anybody_could_own(place: Looking, adapter: Adapter, host: str) -> None:
    driver = operated(adapter, ops_names=["status.example.org"])
    async with place(driver) as (port, prefix):
        credentials = f"Authorization: Bearer {TOKEN}"
        for path in ("/livez", "/status"):
            answer = await send(port, head("GET", prefix + path, credentials, host=host))
            assert statuses(answer) in ([421], [400]), answer
            assert not DETAILS.search(answer)
            assert b"ok\n" not in answer


@pytest.mark.parametrize(
    "request_head",
    [
        "GET {}/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example",
        "GET {}/status HTTP/1.1\r\nHost: evil.example\r\nHost: localhost",
        "GET {}/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        "GET http://evil.example{}/status HTTP/1.1\r\nHost: localhost",
        "GET https://evil.example{}/status HTTP/1.1\r\nHost: 127.0.0.1",
        "GET http://127.0.0.1{}/status HTTP/1.1\r\nHost: evil.example",
        "GET http://127.0.0.1@evil.example{}/status HTTP/1.1\r\nHost: 127.0.0.1",
        "GET {}/status HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost",
        "GET {}/status HTTP/1.1\r\nHost: evil.example\r\nForwarded: host=localhost",
        "GET {}/status HTTP/1.1\r\nHost: evil.example\r\nX-Host: localhost",
        "GET {}/status HTTP/1.1\r\nHost:evil.example\r\n localhost",
        "GET {}/status HTTP/1.1\r\nHost : localhost",
        "GET {}/status HTTP/1.1",
    ],
)
async def test_hosts_that_contradict(place: Looking, adapter: Adapter, request_head: str) -> None:
    async with place(operated(adapter)) as (port, prefix):
        lines = f"{request_head.format(prefix)}\r\nConnection: close\r\nAuthorization: Bearer "
        answer = await send(port, f"{lines}{TOKEN}\r\n\r\n".encode())
        if request_head.endswith("HTTP/1.1"):
            # Without any name it came from no browser; aiohttp takes it.
            assert statuses(answer) in ([200], [400])
        else:
            assert statuses(answer) in ([421], [400]), answer
            assert not DETAILS.search(answer)


async def test_a_probe_of_http_1_0_names_no_host(place: Looking, adapter: Adapter) -> None:
    async with place(operated(adapter)) as (port, prefix):
        answer = await send(port, f"GET {prefix}/livez HTTP/1.0\r\n\r\n".encode())
        assert statuses(answer) == [200]
        answer = await send(port, f"GET {prefix}/status HTTP/1.0\r\n\r\n".encode())
        assert statuses(answer) == [401]
