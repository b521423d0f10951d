"""`HTTPClientMixin.request`: everything that a `Request` can carry arrives."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from nonebot.drivers import URL, Request

from tests.support.proxy import RecordingProxy
from tests.support.waiting import eventually

from ..support.recorder import Recorder, parse_multipart

NAME = "图 片 (1).png"


async def test_answer(driver: Any, recorder: Recorder) -> None:
    @recorder.answer("/answer")
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.Response(status=418, body=b"\x00\xff", headers={"X-Kind": "teapot"})
        response.headers.add("Set-Cookie", "a=1; Path=/")
        response.headers.add("Set-Cookie", "b=2; Path=/")
        return response

    request = Request("get", recorder.url("/answer"))
    response = await driver.request(request)
    assert response.status_code == 418
    assert response.content == b"\x00\xff"
    assert response.headers["x-kind"] == "teapot"
    assert response.headers.getall("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert response.request is request


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_method(driver: Any, recorder: Recorder, method: str) -> None:
    response = await driver.request(Request(method.lower(), recorder.url()))
    assert (response.status_code, recorder.last.method) == (200, method)


@pytest.mark.parametrize(
    "params",
    [
        {"word": "你好 &=", "n": 1},
        [("word", "a"), ("word", "b")],
        {"list": ["x", "y"]},
        "raw=1&raw=2",
    ],
    ids=["dict", "pairs", "lists", "text"],
)
async def test_params(driver: Any, recorder: Recorder, params: Any) -> None:
    url = recorder.url("/p?given=0")
    await driver.request(Request("GET", url, params=params))
    assert recorder.last.query == list(URL(url).update_query(params).query.items())
    assert ("given", "0") in recorder.last.query


async def test_escaped_path(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url("/机器人/a%20b")))
    assert recorder.last.path == "/机器人/a b"


async def test_raw_url(driver: Any, recorder: Recorder) -> None:
    url = (b"http", b"127.0.0.1", recorder.port, b"/raw")
    await driver.request(Request(b"post", url))
    assert (recorder.last.method, recorder.last.path) == ("POST", "/raw")


async def test_headers(driver: Any, recorder: Recorder) -> None:
    headers = [("X-One", "1"), ("X-Many", "a"), ("X-Many", "b"), ("User-Agent", "mine")]
    await driver.request(Request("GET", recorder.url(), headers=headers))
    assert recorder.last.header("x-one") == ["1"]
    assert ",".join(recorder.last.header("x-many")).replace(" ", "") == "a,b"
    assert recorder.last.header("user-agent") == ["mine"]
    assert len(recorder.last.header("host")) == 1


async def test_host_of_the_caller(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url(), headers={"Host": "bot.example"}))
    assert recorder.last.header("host") == ["bot.example"]


async def test_no_cookie_leaks_into_the_next_request(driver: Any, recorder: Recorder) -> None:
    recorder.respond("/login", ("Set-Cookie", "session=secret; Path=/"))
    await driver.request(Request("GET", recorder.url("/login", host="localhost")))
    await driver.request(
        Request("GET", recorder.url("/one", host="localhost"), cookies={"own": "1"})
    )
    assert recorder.last.cookies == {"own": "1"}
    await driver.request(Request("GET", recorder.url("/two", host="localhost")))
    assert recorder.last.cookies == {}


async def test_redirect(driver: Any, recorder: Recorder) -> None:
    recorder.respond("/from", ("Location", "/to?x=1"), status=302)
    response = await driver.request(Request("GET", recorder.url("/from")))
    assert response.status_code == 200
    assert (recorder.last.path, recorder.last.query) == ("/to", [("x", "1")])


async def test_cookies_of_requests_at_once_stay_apart(driver: Any, recorder: Recorder) -> None:
    both = asyncio.Event()

    @recorder.answer("/login")
    async def answer(request: web.Request) -> web.StreamResponse:
        if len(recorder.seen) == 2:
            both.set()
        await both.wait()
        name = request.query["name"]
        headers = {"Location": f"/home?name={name}", "Set-Cookie": f"{name}=1; Path=/"}
        return web.Response(status=302, headers=headers)

    urls = [recorder.url(f"/login?name={name}", host="localhost") for name in "ab"]
    await asyncio.gather(*(driver.request(Request("GET", url)) for url in urls))
    homes = [(seen.query[0][1], seen.cookies) for seen in recorder.seen if seen.path == "/home"]
    assert sorted(homes, key=str) == [("a", {"a": "1"}), ("b", {"b": "1"})]


async def test_a_request_that_is_cancelled_leaves_no_cookie(
    driver: Any, recorder: Recorder
) -> None:
    cookie = ("Set-Cookie", "session=secret; Path=/")
    recorder.respond("/login", ("Location", "/slow"), cookie, status=302)
    recorder.stall("/slow")
    url = recorder.url("/login", host="localhost")
    calling = asyncio.ensure_future(driver.request(Request("GET", url)))
    await eventually(lambda: len(recorder.seen) == 2, what="the request of the redirect")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await driver.request(Request("GET", recorder.url("/next", host="localhost")))
    assert (recorder.last.path, recorder.last.cookies) == ("/next", {})


@pytest.mark.parametrize("content", ["文字", b"\x00\xff", "x" * 100_000], ids=["s", "b", "long"])
async def test_content(driver: Any, recorder: Recorder, content: str | bytes) -> None:
    headers = {"Content-Type": "application/x-mine"}
    await driver.request(Request("POST", recorder.url(), content=content, headers=headers))
    assert recorder.last.body == (content.encode() if isinstance(content, str) else content)
    assert recorder.last.header("content-type") == ["application/x-mine"]


async def test_data(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("POST", recorder.url(), data={"a": "1 &", "名": "值"}))
    assert recorder.last.body == b"a=1+%26&%E5%90%8D=%E5%80%BC"
    assert recorder.last.header("content-type") == ["application/x-www-form-urlencoded"]


@pytest.mark.parametrize("value", [{"名": [1, None, True]}, {}, [], 0, False, ""], ids=repr)
async def test_json(driver: Any, recorder: Recorder, value: Any) -> None:
    await driver.request(Request("POST", recorder.url(), json=value))
    assert json.loads(recorder.last.body) == value
    assert recorder.last.header("content-type") == ["application/json"]


@pytest.mark.parametrize("source", [bytes, io.BytesIO], ids=["bytes", "file"])
async def test_files(driver: Any, recorder: Recorder, source: Any) -> None:
    files = {
        "bare": source(b"0"),
        "named": (NAME, source(b"1\r\n--x")),
        "typed": ("a.bin", source(b"2"), "image/x-mine"),
    }
    await driver.request(Request("POST", recorder.url(), files=files))
    parts = parse_multipart(recorder.last)
    assert [(p.name, p.filename, p.data) for p in parts] == [
        ("bare", "bare", b"0"),
        ("named", NAME, b"1\r\n--x"),
        ("typed", "a.bin", b"2"),
    ]
    assert parts[2].content_type == "image/x-mine"


async def test_files_of_one_name(driver: Any, recorder: Recorder) -> None:
    files: Any = [("f", ("a", b"1")), ("f", ("b", b"2"))]
    await driver.request(Request("POST", recorder.url(), files=files))
    parts = parse_multipart(recorder.last)
    assert [(p.name, p.filename, p.data) for p in parts] == [("f", "a", b"1"), ("f", "b", b"2")]


@pytest.mark.stock_is_wrong("aiohttp", "it sends the field's name as the file's, and warns")
async def test_files_without_names(driver: Any, recorder: Recorder) -> None:
    files: Any = {"f": (None, b"1"), "g": (None, '"文字"', "application/json")}
    await driver.request(Request("POST", recorder.url(), files=files))
    parts = parse_multipart(recorder.last)
    assert [(p.name, p.filename, p.content_type, p.data) for p in parts] == [
        ("f", None, None, b"1"),
        ("g", None, "application/json", '"文字"'.encode()),
    ]


@pytest.mark.parametrize(
    ("data", "body"),
    [("文字", "文字".encode()), (b"\xff\x00", b"\xff\x00"), ([("a", "1"), ("a", "2")], b"a=1&a=2")],
    ids=["text", "bytes", "pairs"],
)
@pytest.mark.stock_is_wrong("httpx", "it warns of text and bytes, and takes no pairs")
async def test_data_that_is_not_a_dict(
    driver: Any, recorder: Recorder, data: Any, body: bytes
) -> None:
    await driver.request(Request("POST", recorder.url(), data=data))
    assert recorder.last.body == body


@pytest.mark.stock_is_wrong("httpx", "it does not know aiohttp's forms")
async def test_form_of_aiohttp(driver: Any, recorder: Recorder) -> None:
    form: Any = aiohttp.FormData({"a": "1"})
    form.add_field("f", io.BytesIO(b"\xff"), filename="f.bin")
    await driver.request(Request("POST", recorder.url(), data=form))
    parts = parse_multipart(recorder.last)
    assert [(p.name, p.filename, p.data) for p in parts] == [
        ("a", None, b"1"),
        ("f", "f.bin", b"\xff"),
    ]


@pytest.mark.stock_is_wrong("httpx", "it takes no pairs")
async def test_pairs_with_files(driver: Any, recorder: Recorder) -> None:
    data: Any = [("a", "1"), ("a", "2")]
    await driver.request(Request("POST", recorder.url(), data=data, files={"f": ("f", b"3")}))
    parts = parse_multipart(recorder.last)
    assert [(p.name, p.filename, p.data) for p in parts] == [
        ("a", None, b"1"),
        ("a", None, b"2"),
        ("f", "f", b"3"),
    ]


@pytest.mark.stock_is_wrong("httpx", "it sends their repr")
@pytest.mark.stock_is_wrong("aiohttp", "it makes a file of them, and warns")
async def test_bytes_in_data(driver: Any, recorder: Recorder) -> None:
    data = {"a": "1", "b": b"\xff "}
    await driver.request(Request("POST", recorder.url(), data=data))
    assert recorder.last.body == b"a=1&b=%FF+"
    assert recorder.last.header("content-type") == ["application/x-www-form-urlencoded"]
    await driver.request(Request("POST", recorder.url(), data=data, files={"f": ("f", b"3")}))
    field = parse_multipart(recorder.last)[1]
    assert (field.name, field.filename, field.data) == ("b", None, b"\xff ")


async def test_refused_connection(driver: Any, unused_tcp_port: int) -> None:
    with pytest.raises(Exception, match=r"(?i)connect"):
        await driver.request(Request("GET", f"http://127.0.0.1:{unused_tcp_port}/"))


async def test_proxy(driver: Any, recorder: Recorder, proxy: RecordingProxy) -> None:
    url = f"http://far.example:{recorder.port}/via?x=1"
    response = await driver.request(Request("GET", url, proxy=proxy.url))
    assert response.content == b"ok"
    assert proxy.start_lines == [f"GET {url} HTTP/1.1"]
    assert recorder.last.header("host") == [f"far.example:{recorder.port}"]


async def test_proxy_of_the_environment(
    driver: Any, recorder: Recorder, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    await driver.request(Request("GET", f"http://far.example:{recorder.port}/via"))
    assert proxy.start_lines == [f"GET http://far.example:{recorder.port}/via HTTP/1.1"]
    await driver.request(Request("GET", recorder.url("/direct")))
    assert len(proxy.start_lines) == 1
    assert recorder.last.path == "/direct"


@pytest.mark.stock_is_wrong("aiohttp", "request() ignores the version")
@pytest.mark.stock_is_wrong("httpx", "it speaks HTTP/2, and drops to 1.1 without TLS")
async def test_http_2_is_a_clear_error(driver: Any, recorder: Recorder) -> None:
    with pytest.raises(Exception, match=r"HTTP"):
        await driver.request(Request("GET", recorder.url(), version="2"))
    assert recorder.seen == []


@pytest.mark.stock_is_wrong("aiohttp", "request() ignores the version")
@pytest.mark.stock_is_wrong("httpx", "httpx has no HTTP/1.0")
async def test_http_1_0(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url(), version="1.0"))
    assert recorder.last.version == "1.0"
