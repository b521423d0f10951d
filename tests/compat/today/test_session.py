"""`get_session`: its parameters, what they mean beside a request's own, and its isolation."""

from typing import Any

import pytest
from nonebot.drivers import Request

from tests.support.proxy import RecordingProxy

from ..support.recorder import Recorder


@pytest.fixture
def login(recorder: Recorder) -> str:
    """The URL of an answer that sets a cookie; by name, as few jars keep those of addresses."""
    recorder.respond("/login", ("Set-Cookie", "session=1; Path=/"))
    return recorder.url("/login", host="localhost")


@pytest.mark.stock_is_wrong("httpx", "the session's went missing", before="2.5")
async def test_params(driver: Any, recorder: Recorder) -> None:
    async with driver.get_session(params={"a": "1", "b": "2"}) as session:
        await session.request(Request("GET", recorder.url("/?b=3&c=4")))
        assert dict(recorder.last.query) == {"a": "1", "b": "3", "c": "4"}
        assert len(recorder.last.query) == 3
        await session.request(Request("GET", recorder.url()))
        assert dict(recorder.last.query) == {"a": "1", "b": "2"}


async def test_headers(driver: Any, recorder: Recorder) -> None:
    async with driver.get_session(headers={"X-A": "1", "X-B": "2"}) as session:
        await session.request(Request("GET", recorder.url(), headers={"x-b": "3", "X-C": "4"}))
    found = {name: recorder.last.header(name) for name in ("x-a", "x-b", "x-c")}
    assert found == {"x-a": ["1"], "x-b": ["3"], "x-c": ["4"]}


async def test_cookies_that_the_server_sets_are_kept(
    driver: Any, recorder: Recorder, login: str
) -> None:
    async with driver.get_session() as session:
        await session.request(Request("GET", login))
        await session.request(Request("GET", recorder.url("/", host="localhost")))
    assert recorder.last.cookies == {"session": "1"}


async def test_sessions_do_not_see_each_other(driver: Any, recorder: Recorder, login: str) -> None:
    home = recorder.url("/", host="localhost")
    async with (
        driver.get_session(headers={"X-Own": "1"}) as one,
        driver.get_session(params={"own": "2"}) as other,
    ):
        await one.request(Request("GET", login))
        await other.request(Request("GET", home))
        assert (recorder.last.cookies, recorder.last.header("x-own")) == ({}, [])
        await one.request(Request("GET", home))
        assert (recorder.last.cookies, recorder.last.query) == ({"session": "1"}, [])
    await driver.request(Request("GET", home))
    assert (recorder.last.cookies, recorder.last.query) == ({}, [])


async def test_proxy(driver: Any, recorder: Recorder, proxy: RecordingProxy) -> None:
    url = f"http://far.example:{recorder.port}/"
    async with driver.get_session(proxy=proxy.url) as session:
        await session.request(Request("GET", url))
    assert proxy.start_lines == [f"GET {url} HTTP/1.1"]


@pytest.mark.stock_is_wrong("httpx", "its sessions ignore the request's proxy")
async def test_proxy_of_the_request(driver: Any, recorder: Recorder, proxy: RecordingProxy) -> None:
    url = f"http://far.example:{recorder.port}/"
    async with driver.get_session(proxy="http://127.0.0.1:9/") as session:
        await session.request(Request("GET", url, proxy=proxy.url))
    assert proxy.start_lines == [f"GET {url} HTTP/1.1"]


async def test_use_before_setup(driver: Any, recorder: Recorder) -> None:
    session = driver.get_session()
    with pytest.raises(RuntimeError):
        await session.request(Request("GET", recorder.url()))


async def test_setup_and_close_by_hand(driver: Any, recorder: Recorder) -> None:
    session = driver.get_session()
    await session.setup()
    with pytest.raises(RuntimeError):
        await session.setup()
    assert (await session.request(Request("GET", recorder.url()))).status_code == 200
    await session.close()
    with pytest.raises(RuntimeError):
        await session.request(Request("GET", recorder.url()))


async def test_closing_a_session_leaves_the_driver_working(driver: Any, recorder: Recorder) -> None:
    async with driver.get_session() as session:
        await session.request(Request("GET", recorder.url()))
    assert (await driver.request(Request("GET", recorder.url()))).content == b"ok"
