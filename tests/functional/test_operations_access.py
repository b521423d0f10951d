"""Nobody gets in without the token: attacks as bytes on real sockets."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Any

import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.operations import access
from tests.support.bots import Adapter
from tests.support.hosts import own_process
from tests.support.operated import (
    BEARER,
    DETAILS,
    GUARDED,
    PLACES,
    TOKEN,
    Looking,
    ask,
    head,
    operated,
    port_of,
    send,
    statuses,
)

WRONG = "Wr0ng-but-just-as-long-as-the"


@pytest.fixture(params=["its port", "add_subapp"])
def place(request: pytest.FixtureRequest) -> Looking:
    """Give the port of its own, and a site with a prefix and a middleware."""
    return PLACES[request.param]


def basic(user: str, password: str) -> str:
    """Make credentials of the scheme Basic."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


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
            # A browser that knows the password sends it for foreign pages, too.
            assert b"Cross-Origin-Resource-Policy: same-origin" in answer


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


def test_secrets_are_not_shown(driver: Driver, adapter: Adapter) -> None:
    found: Any = operated(adapter)
    for each in (found, found.options, found._operations, found.operations, found.status()):
        assert TOKEN not in repr(each)
        assert TOKEN not in str(each)


@pytest.mark.parametrize("path", ["/livez", "/status", "/nothing"])
@pytest.mark.parametrize("name", ["its port", "lifespan()"])
async def test_an_expectation_that_is_not_utf_8_is_no_error_of_the_server(
    name: str, path: str, adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async with PLACES[name](operated(adapter)) as (port, _):
        assert statuses(await send(port, head("GET", path, "Expect: \xff"))) == [417]
    assert not caplog.records
