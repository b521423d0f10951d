"""Cookies go out as they were given, or as a server has set them: nothing is quoted or unquoted."""

from http.cookies import CookieError
from typing import Any

import pytest
from aiohttp import web
from nonebot.drivers import Cookies, Request

from tests.support.waiting import eventually

from ..support.recorder import Recorder

pytestmark = pytest.mark.stock_is_wrong("~aiohttp", "aiohttp quotes them")

VALUES = ["A-B/C+D==", "x%2Fy", "a b", 'q"q', "", '"A/B=="', "a,b", '{"x":[1]}']

SETTABLE = ["A-B/C+D==", "x%2Fy", '"A/B=="', "a:b@c", ""]
"""What aiohttp 3.10.4 reads as it stands in a `Set-Cookie`."""


@pytest.fixture
def home(recorder: Recorder) -> str:
    """Where cookies are set, by name: few jars keep those of addresses."""
    return recorder.url("/home", host="localhost")


def setting(recorder: Recorder, path: str, *cookies: str, to: str | None = None) -> str:
    """Answer a path with cookies, and perhaps with a redirect; give its URL."""
    location = [("Location", to)] if to else []
    set_cookies = [("Set-Cookie", cookie) for cookie in cookies]
    recorder.respond(path, *location, *set_cookies, status=302 if to else 200)
    return recorder.url(path, host="localhost")


def cookies(recorder: Recorder) -> list[str]:
    """List the cookies of the latest request as they came."""
    return [c for header in recorder.last.header("cookie") for c in header.split("; ")]


@pytest.mark.parametrize("value", VALUES)
async def test_given_to_a_request(driver: Any, recorder: Recorder, value: str) -> None:
    for url in (recorder.url(), recorder.url(host="localhost")):
        await driver.request(Request("GET", url, cookies={"b": value}))
        assert cookies(recorder) == [f"b={value}"]


@pytest.mark.parametrize("value", VALUES)
async def test_given_to_a_session(driver: Any, recorder: Recorder, value: str) -> None:
    async with driver.get_session(cookies={"a": value}) as session:
        for url in (recorder.url(), recorder.url(host="localhost")):
            await session.request(Request("GET", url, cookies={"b": value}))
            assert sorted(cookies(recorder)) == [f"a={value}", f"b={value}"]
        await session.request(Request("GET", url))
        assert cookies(recorder) == [f"a={value}"]


@pytest.mark.parametrize("value", VALUES)
async def test_given_to_a_handshake(
    driver: Any, recorder: Recorder, echoing: str, value: str
) -> None:
    async with driver.websocket(Request("GET", echoing, cookies={"b": value})):
        await eventually(lambda: recorder.seen)
    assert cookies(recorder) == [f"b={value}"]


@pytest.mark.parametrize("value", SETTABLE)
async def test_set_in_a_session(driver: Any, recorder: Recorder, home: str, value: str) -> None:
    url = setting(recorder, "/login", f"b={value}; Path=/", "c=1; Path=/other", "d=2; Path=/")
    async with driver.get_session() as session:
        await session.request(Request("GET", url))
        for _ in range(2):
            await session.request(Request("GET", home))
            assert sorted(cookies(recorder)) == [f"b={value}", "d=2"]
        await session.request(Request("GET", home, cookies={"a": "A=="}))
        assert sorted(cookies(recorder)) == ["a=A==", f"b={value}", "d=2"]


@pytest.mark.stock_is_wrong("websockets", "its jar keeps nothing between redirects")
@pytest.mark.parametrize("value", SETTABLE)
async def test_set_by_the_redirect_of_a_handshake(
    driver: Any, recorder: Recorder, echoing: str, value: str
) -> None:
    url = setting(recorder, "/login", f"b={value}; Path=/", to="/echo")
    request = Request("GET", url.replace("http:", "ws:"), cookies={"a": "A/B=="})
    async with driver.websocket(request):
        assert sorted(cookies(recorder)) == ["a=A/B==", f"b={value}"]


async def test_what_a_redirect_sets_replaces_what_was_given(
    driver: Any, recorder: Recorder
) -> None:
    url = setting(recorder, "/login", "session=new==; Path=/", to="/home")
    await driver.request(Request("GET", url, cookies={"session": "old=="}))
    assert cookies(recorder) == ["session=new=="]
    async with driver.get_session() as session:
        await session.request(Request("GET", url, cookies={"session": "old=="}))
        assert cookies(recorder) == ["session=new=="]
        await session.request(Request("GET", recorder.url("/home", host="localhost")))
        assert cookies(recorder) == ["session=new=="]


async def test_what_is_given_to_a_request_goes_before_the_sessions(
    driver: Any, recorder: Recorder
) -> None:
    async with driver.get_session(cookies={"a": "1=="}) as session:
        await session.request(Request("GET", recorder.url(), cookies={"a": "2=="}))
        assert cookies(recorder) == ["a=2=="]
        await session.request(Request("GET", recorder.url()))
        assert cookies(recorder) == ["a=1=="]


@pytest.mark.stock_is_wrong("httpx", "its jar takes localhost for localhost.local")
@pytest.mark.parametrize(
    ("domain", "path", "expected"),
    [("localhost", "/", True), ("other.example", "/", False), ("localhost", "/far", False)],
)
async def test_the_domain_and_the_path_of_a_cookie_count(
    driver: Any, recorder: Recorder, domain: str, path: str, expected: bool
) -> None:
    given = Cookies()
    given.set("a", "1==", domain, path)
    request = Request("GET", recorder.url("/near", host="localhost"), cookies=given)
    await driver.request(request)
    assert cookies(recorder) == (["a=1=="] if expected else [])
    async with driver.get_session(cookies=given) as session:
        await session.request(Request("GET", recorder.url("/near", host="localhost")))
    assert cookies(recorder) == (["a=1=="] if expected else [])


HEADER = 'a=A/B==; q="C/D=="; b[0]=1;  none; c=x y; c=z'
"""A header that a parser of cookies would change."""


@pytest.mark.stock_is_wrong("~aiohttp", "it takes the header apart")
async def test_a_header_of_the_caller_goes_alone(
    driver: Any, recorder: Recorder, home: str
) -> None:
    headers = {"Cookie": HEADER}
    await driver.request(Request("GET", home, headers=headers, cookies={"given": "1"}))
    assert recorder.last.header("cookie") == [HEADER]
    url = setting(recorder, "/login", "kept=1; Path=/")
    async with driver.get_session(cookies={"begun": "1"}) as session:
        await session.request(Request("GET", url))
        await session.request(Request("GET", home, headers=headers))
        assert recorder.last.header("cookie") == [HEADER]
    async with driver.get_session(headers=headers, cookies={"begun": "1"}) as session:
        await session.request(Request("GET", home))
    assert recorder.last.header("cookie") == [HEADER]


async def test_a_header_of_the_caller_goes_alone_in_a_handshake(
    driver: Any, recorder: Recorder, echoing: str
) -> None:
    url = echoing.replace("127.0.0.1", "localhost")
    request = Request("GET", url, headers={"Cookie": HEADER}, cookies={"given": "1"})
    async with driver.websocket(request):
        assert recorder.last.header("cookie") == [HEADER]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("of_session", [False, True])
async def test_a_header_of_the_caller_ends_at_a_redirect(
    driver: Any, recorder: Recorder, host: str, of_session: bool
) -> None:
    url = setting(recorder, "/login", "set=1; Path=/", to=recorder.url("/home", host=host))
    headers = {"Cookie": HEADER}
    own, shared = (None, headers) if of_session else (headers, None)
    async with driver.get_session(headers=shared) as session:
        await session.request(Request("GET", url, headers=own))
    assert [seen.header("cookie") for seen in recorder.seen] == [
        [HEADER],
        ["set=1"] if host == "localhost" else [],
    ]


async def test_a_header_of_the_caller_ends_at_a_redirect_to_the_same_url(
    driver: Any, recorder: Recorder
) -> None:
    @recorder.answer("/login")
    async def answer(request: web.Request) -> web.StreamResponse:
        if len(recorder.seen) > 1:
            return web.Response()
        headers = {"Location": str(request.url), "Set-Cookie": "set=1"}
        return web.Response(status=302, headers=headers)

    url = recorder.url("/login", host="localhost")
    await driver.request(Request("GET", url, headers={"Cookie": HEADER}))
    assert [seen.header("cookie") for seen in recorder.seen] == [[HEADER], ["set=1"]]


@pytest.mark.stock_is_wrong("httpx", "it sends those that HTTP can have")
@pytest.mark.parametrize("character", ["\r\n", "\t", "\0", "\x1b", "\x7f"], ids=repr)
async def test_a_control_character_is_an_error(
    driver: Any, recorder: Recorder, home: str, character: str
) -> None:
    for given in ({"a": f"1{character}2"}, {f"a{character}b": "1"}):
        with pytest.raises(CookieError):
            await driver.request(Request("GET", home, cookies=given))
        with pytest.raises(CookieError):
            driver.get_session(cookies=given)
        with pytest.raises(CookieError):
            async with driver.websocket(Request("GET", home, cookies=given)):
                pass
    assert recorder.seen == []
