"""Nobody gets in without the token: attacks as bytes on real sockets."""

from __future__ import annotations

import asyncio
import gc
import hmac
import re
import tracemalloc
from base64 import b64encode
from typing import Any

import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.operations import access
from tests.support.bots import Adapter
from tests.support.client import RawClient
from tests.support.hosts import own_process
from tests.support.logs import Logs
from tests.support.operated import (
    BEARER,
    GUARDED,
    PLACES,
    TOKEN,
    Looking,
    ask,
    operated,
    port_of,
    send,
)

WRONG = "Wr0ng-but-just-as-long-as-the"

# Something that only the status, the metrics and the page have.
DETAILS = re.compile(rb'"versions"|nonebot_aiohttp_info|<html|not connected')


@pytest.fixture(params=["its port", "add_subapp"])
def place(request: pytest.FixtureRequest) -> Looking:
    """Give the port of its own, and a site with a prefix and a middleware."""
    return PLACES[request.param]


def basic(user: str, password: str) -> str:
    """Make credentials of the scheme Basic."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def head(method: str, target: str, *lines: str, host: str = "127.0.0.1") -> bytes:
    """Make a request that ends the connection."""
    fixed = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    """Read the status of each response."""
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


# Credentials

GOOD = [
    f"Bearer {TOKEN}",
    f"bearer {TOKEN}",
    f"BEARER   {TOKEN}  ",
    basic("", TOKEN),
    basic("anybody", TOKEN),
    basic("", TOKEN).replace("Basic", "bAsIc"),
]

BAD = [
    "",
    "Bearer",
    "Bearer ",
    f"Bearer {WRONG}",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN} x",
    f"Bearer x {TOKEN}",
    f"Bearer {TOKEN},{TOKEN}",
    f"Bearer {TOKEN}, Bearer {TOKEN}",
    f'Bearer "{TOKEN}"',
    f"Bearer {TOKEN.lower()}",
    f"Bearer {TOKEN.upper()}",
    f"Bearer\t{TOKEN}",
    f"Bearer={TOKEN}",
    f"Bearer:{TOKEN}",
    f"Token {TOKEN}",
    f"Digest {TOKEN}",
    f"Negotiate {TOKEN}",
    TOKEN,
    f" {TOKEN}",
    f"Bearer {b64encode(TOKEN.encode()).decode()}",
    f"Basic {TOKEN}",
    f"Basic {b64encode(TOKEN.encode()).decode()}",
    basic(TOKEN, ""),
    basic(TOKEN, "x"),
    basic("", WRONG),
    basic("", TOKEN + ":"),
    basic("", ""),
    basic("a", f"b:{TOKEN}"),
    f"{basic('', TOKEN)}!",
    "Basic ====",
    "Basic \xff\xfe",
    "Bearer \xff\xfe",
    f"Bearer {TOKEN}\xff",
    "Bearer None",
    "Bearer null",
    f"Bearer {'x' * 7000}",
]


@pytest.mark.parametrize("value", GOOD)
async def test_who_shows_the_token_gets_in(place: Looking, adapter: Adapter, value: str) -> None:
    async with place(operated(adapter)) as (port, prefix):
        answer = await send(port, head("GET", f"{prefix}/status", f"Authorization: {value}"))
        assert statuses(answer) == [200]
        assert DETAILS.search(answer)


@pytest.mark.promise("operations: nobody gets in without the token, not even from this machine")
@pytest.mark.parametrize("value", BAD)
async def test_who_shows_another_thing_does_not(
    place: Looking, adapter: Adapter, value: str
) -> None:
    async with place(operated(adapter)) as (port, prefix):
        for path in GUARDED:
            answer = await send(port, head("GET", prefix + path, f"Authorization: {value}"))
            assert statuses(answer) == [401], answer
            assert not DETAILS.search(answer)
            assert b"WWW-Authenticate: Basic realm=" in answer


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"),
        (f"Authorization: Bearer {WRONG}", f"Authorization: Bearer {TOKEN}"),
        ("Authorization:", f"Authorization: Bearer {TOKEN}"),
        (f"Authorization : Bearer {TOKEN}",),
        (f" Authorization: Bearer {TOKEN}",),
        ("Authorization: Bearer", f" {TOKEN}"),
        ("Authorization:", f"\tBearer {TOKEN}"),
        (f"Authorization\x00: Bearer {TOKEN}",),
        (f"Authorization: Bearer {TOKEN}\x00",),
        (f"X-Authorization: Bearer {TOKEN}",),
        (f"Proxy-Authorization: Bearer {TOKEN}",),
        (f"X-Forwarded-Authorization: Bearer {TOKEN}",),
        (f"Authorization_: Bearer {TOKEN}",),
        (f"HTTP_AUTHORIZATION: Bearer {TOKEN}",),
        (f"Cookie: token={TOKEN}; Authorization=Bearer {TOKEN}",),
        (f"Cookie: aiohttp_ops_token={TOKEN}",),
        ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"),
        ("X-Original-URL: /livez",),
        ("X-Rewrite-URL: /livez",),
        ("X-HTTP-Method-Override: GET",),
        ("Origin: http://127.0.0.1", "Sec-Fetch-Site: same-origin"),
        ("Connection: Authorization",),
        ("Upgrade: websocket", "Connection: Upgrade"),
        ("Content-Length: 0",),
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Expect: 100-continue", "Content-Length: 4"),
    ],
    ids=str,
)
async def test_headers_that_are_no_token(
    place: Looking, adapter: Adapter, lines: tuple[str, ...]
) -> None:
    async with place(operated(adapter)) as (port, prefix):
        for path in GUARDED:
            body = b"0\r\n\r\n" if any("chunked" in line for line in lines) else b""
            body = b"body" if "Content-Length: 4" in lines else body
            answer = await send(port, head("GET", prefix + path, *lines) + body)
            assert set(statuses(answer)) <= {100, 400, 401}, answer
            assert statuses(answer)
            assert not DETAILS.search(answer)


@pytest.mark.parametrize(
    "query",
    [
        f"token={TOKEN}",
        f"access_token={TOKEN}",
        f"authorization=Bearer%20{TOKEN}",
        f"aiohttp_ops_token={TOKEN}",
        "bots",
        "%62ots=1",
        "bots=&bots=1",
        "x=1&bots=1",
        "_method=GET",
        "livez",
    ],
)
async def test_no_query_opens_anything(place: Looking, adapter: Adapter, query: str) -> None:
    async with place(operated(adapter)) as (port, prefix):
        for path in ("/status", "/metrics", "/"):
            answer = await send(port, head("GET", f"{prefix}{path}?{query}"))
            assert statuses(answer) == [401]
        if "bots" in query or "%62" in query:
            answer = await send(port, head("GET", f"{prefix}/readyz?{query}"))
            assert statuses(answer) == [401]


@pytest.mark.parametrize("query", ["BOTS=1", "bots[]=1", "bots%00=1", "%20bots=1", "bot=1", "?"])
async def test_a_query_that_asks_for_no_bots(place: Looking, adapter: Adapter, query: str) -> None:
    """It is a plain /readyz, which says nothing of bots."""
    async with place(operated(adapter)) as (port, prefix):
        answer = await send(port, head("GET", f"{prefix}/readyz?{query}"))
        assert statuses(answer) in ([200], [400])
        assert not DETAILS.search(answer)


# Methods

METHODS = [
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "Get",
    "GETT",
    "QUERY",
]


@pytest.mark.parametrize("method", METHODS)
async def test_other_methods(place: Looking, adapter: Adapter, method: str) -> None:
    async with place(operated(adapter)) as (port, prefix):
        for path in (*GUARDED, "/livez", "/readyz"):
            answer = await send(port, head(method, prefix + path))
            assert set(statuses(answer)) <= {400, 401, 404, 405, 421}, (path, answer)
            assert not DETAILS.search(answer)
            assert b"Access-Control" not in answer
            with_token = f"Authorization: Bearer {TOKEN}"
            answer = await send(port, head(method, prefix + path, with_token))
            assert set(statuses(answer)) <= {400, 404, 405, 421}, (path, answer)
            assert not DETAILS.search(answer)


# Paths

PATHS = [
    "/livez/../status",
    "/livez/..%2fstatus",
    "/livez/%2e%2e/status",
    "/livez/.%2e/status",
    "/livez/..;/status",
    "/livez;x",
    "/livez;/../status",
    "/livez/status",
    "/livez//status",
    "//status",
    "///status",
    "/./status",
    "/%2e/status",
    "/%73tatus",
    "/st%61tus",
    "/%2573tatus",
    "/status/",
    "/status//",
    "/status/.",
    "/status%20",
    "/status%00",
    "/status%2f",
    "/status?",
    "/status#livez",
    "/status?/livez",
    "/status;livez",
    "/STATUS",
    "/metrics/",
    "/metrics?bots=1",
    "/%6detrics",
    "/?",
    "/?q=livez",
    "/.",
    "/..",
    "/%2e",
    "/readyz?bots=1",
    "/readyz/../?bots=1",
    "/readyz?x&bots=1",
    "\\status",
    "/\\status",
    "/livez\\..\\status",
    "*",
    "",
    "status",
    "http://127.0.0.1/status",
    "http://127.0.0.1/livez/../status",
    "http://127.0.0.1//status",
    "http://livez@127.0.0.1/status",
    "file:///status",
    "http:///status",
    "127.0.0.1:80",
    "/\xff",
    "/%ff",
    "/status\x7f",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_way_of_writing_a_path_opens_it(
    place: Looking, adapter: Adapter, path: str
) -> None:
    async with place(operated(adapter)) as (port, prefix):
        target = path.replace("127.0.0.1/", f"127.0.0.1{prefix}/")
        target = prefix + path if path.startswith("/") else target
        answer = await send(port, head("GET", target))
        # A site answers for the paths that are not below the prefix.
        assert set(statuses(answer)) <= {400, 401, 404, 421}, answer
        assert not DETAILS.search(answer)


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_token_there_is_nothing(adapter: Adapter, path: str) -> None:
    async with PLACES["its port"](operated(adapter, token=None)) as (port, _):
        for credentials in ((), (f"Authorization: Bearer {TOKEN}",), ("Authorization: Bearer ",)):
            answer = await send(port, head("GET", path, *credentials))
            assert set(statuses(answer)) <= {400, 404, 421}, answer
            assert not DETAILS.search(answer)


async def test_each_request_of_a_connection_needs_the_token(
    place: Looking, adapter: Adapter
) -> None:
    async with place(operated(adapter)) as (port, prefix):
        good = f"GET {prefix}/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}"
        none = f"GET {prefix}/status HTTP/1.1\r\nHost: localhost"
        live = f"GET {prefix}/livez HTTP/1.1\r\nHost: localhost"
        last = f"{none}\r\nConnection: close"
        answer = await send(port, "\r\n\r\n".join([good, none, live, last, ""]).encode())
        assert statuses(answer) == [200, 401, 200, 401]
        # A body that looks like a request is a body.
        inner = f"{good}\r\n\r\n".encode()
        outer = head("POST", f"{prefix}/livez", f"Content-Length: {len(inner)}")
        answer = await send(port, outer + inner)
        assert set(statuses(answer)) <= {401, 405}
        assert len(statuses(answer)) == 1


# Host

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


# What else an answer says


async def test_what_an_answer_of_no_use_says(place: Looking, adapter: Adapter) -> None:
    async with place(operated(adapter)) as (port, prefix):
        origin = "Origin: https://evil.example"
        for path in (*GUARDED, "/livez", "/nothing"):
            answer = await send(port, head("GET", prefix + path, origin))
            assert TOKEN.encode() not in answer
            for name in (b"access-control", b"set-cookie", b"location:"):
                assert name not in answer.lower()
            assert b"no-store" in answer
            assert b"X-Content-Type-Options: nosniff" in answer


@pytest.mark.promise("operations: the token is compared in constant time")
async def test_the_token_is_compared_in_constant_time(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def spy(shown: bytes, token: bytes) -> bool:
        compared.append((shown, token))
        return hmac.compare_digest(shown, token)

    class Hmac:
        compare_digest = staticmethod(spy)

    monkeypatch.setattr(access, "hmac", Hmac)
    driver = operated(adapter)
    async with own_process(driver):
        port = port_of(driver)
        assert (await ask(port, "/status", BEARER)).status == 200
        assert (await ask(port, "/status", {"Authorization": "Bearer x"})).status == 401
        assert (await ask(port, "/status", {"Authorization": basic("x", WRONG)})).status == 401
        assert (await ask(port, "/livez")).status == 200
    token = TOKEN.encode()
    assert compared == [(token, token), (b"x", token), (WRONG.encode(), token)]


@pytest.mark.parametrize(
    "token", ["密码密码密码密码", "with space s", "colon:colon:c", "t\u00f6ken-t\u00f6ken"]
)
async def test_a_token_of_any_text(adapter: Adapter, token: str) -> None:
    driver = operated(adapter, token=token)
    async with own_process(driver):
        for value in (f"Bearer {token}", basic("", token)):
            sent = {"Authorization": value.encode().decode("latin-1")}
            assert (await ask(port_of(driver), "/status", sent)).status == 200


# Floods


@pytest.mark.promise("operations: a flood of wrong tokens takes few lines and no memory")
async def test_a_flood_of_wrong_tokens(adapter: Adapter, logs: Logs) -> None:
    driver = operated(adapter)

    async def flood(number: int) -> None:
        async with await RawClient.connect(port_of(driver)) as client:
            for turn in range(100):
                wrong = {"Host": "localhost", "Authorization": f"Bearer {number}-{turn}-{WRONG}"}
                assert (await client.request("GET", f"/status?{turn}", wrong)).status == 401

    async def memory_after(floods: int) -> int:
        await asyncio.gather(*map(flood, range(floods)))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    async with own_process(driver):
        tracemalloc.start()
        try:
            grown = -await memory_after(10) + await memory_after(20)
        finally:
            tracemalloc.stop()
        assert grown < 500_000
        assert (await ask(port_of(driver), "/status", BEARER)).status == 200
    # One in ten seconds, and a slow machine takes longer than that.
    lines = logs.matching("its token is wrong", "WARNING")
    assert 1 <= len(lines) <= 5
    assert lines[0].message == (
        "Refused a request of operators from 127.0.0.1 with 401: its token is wrong"
    )
    assert WRONG not in logs.output
    assert TOKEN not in logs.output


async def test_nothing_is_logged_of_what_shows_no_token(adapter: Adapter, logs: Logs) -> None:
    """A browser asks without at first; and probes of a wrong name come every second."""
    driver = operated(adapter)
    async with own_process(driver):
        before = len(logs)
        for headers in ({}, {"Authorization": "Basic ="}, {"Host": "evil.example"}):
            await ask(port_of(driver), "/status", headers)
        assert len(logs) == before


def test_secrets_are_not_shown(driver: Driver, adapter: Adapter) -> None:
    found: Any = operated(adapter)
    for each in (found, found.options, found._operations, found.operations, found.status()):
        assert TOKEN not in repr(each)
        assert TOKEN not in str(each)
