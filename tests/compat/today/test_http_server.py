"""`ASGIMixin.setup_http_server`: what the handle functions get, and how their answers are sent."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from nonebot.drivers import URL

from ..support.process import Bot


async def inspect(client: aiohttp.ClientSession, bot: Bot, **request: Any) -> dict[str, Any]:
    """Send a request to the route that shows it, and return what it saw."""
    method = request.pop("method", "POST")
    async with client.request(method, bot.url(request.pop("path", "/inspect")), **request) as got:
        assert got.status == 200, await got.text()
        found: dict[str, Any] = json.loads(await got.text())
        return found


async def test_line(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, path="/inspect?a=1&%E5%90%8D=%E5%80%BC", method="PUT")
    assert (found["method"], found["version"]) == ("PUT", "1.1")
    url = URL(found["url"])
    assert (url.scheme, url.host, url.port, url.path) == (
        "http",
        "127.0.0.1",
        bot.port,
        "/inspect",
    )
    assert list(url.query.items()) == [("a", "1"), ("名", "值")]


async def test_host_header(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, headers={"Host": "bot.example"})
    assert URL(found["url"]).host == "bot.example"


async def test_headers(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(
        client, bot, headers=[("X-Self-ID", "42"), ("X-Many", "b"), ("X-Many", "a")]
    )
    headers = [(name.lower(), value) for name, value in found["headers"]]
    assert ("x-self-id", "42") in headers
    assert [value for name, value in headers if name == "x-many"] == ["b", "a"]


async def test_cookies(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, headers={"Cookie": "a=1; b=two words"})
    assert found["cookies"] == {"a": "1", "b": "two words"}


async def test_quoted_cookies(client: aiohttp.ClientSession, bot: Bot) -> None:
    header = r'a="1\"2\073"; b="x; c=y\073; d = z; e=""'
    found = await inspect(client, bot, headers={"Cookie": header})
    assert found["cookies"] == {"a": '1"2;', "b": '"x', "c": r"y\073", "d": "z", "e": ""}


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain"])
async def test_raw_content(client: aiohttp.ClientSession, bot: Bot, kind: str) -> None:
    body = bytes(range(256))
    found = await inspect(client, bot, data=body, headers={"Content-Type": kind})
    assert found["content"].encode("latin-1") == body
    assert (found["json"], found["data"], found["files"]) == (None, {}, [])


async def test_no_content(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, method="GET")
    body = (found["content"], found["json"], found["data"], found["files"])
    assert body == ("", None, {}, [])


async def test_chunked_content(client: aiohttp.ClientSession, bot: Bot) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"one,", b"two,", b"three"):
            yield chunk

    found = await inspect(client, bot, data=chunks())
    assert found["content"] == "one,two,three"


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_json(client: aiohttp.ClientSession, bot: Bot, kind: str) -> None:
    body = '{ "名": [1, null, "é"] }'
    found = await inspect(client, bot, data=body.encode(), headers={"Content-Type": kind})
    assert found["json"] == {"名": [1, None, "é"]}
    assert found["content"].encode("latin-1") == body.encode()


async def test_broken_json(client: aiohttp.ClientSession, bot: Bot) -> None:
    headers = {"Content-Type": "application/json"}
    found = await inspect(client, bot, data=b'{"a": ', headers=headers)
    assert (found["json"], found["content"]) == (None, '{"a": ')


async def test_deep_json(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, data=b"[" * 200_000)
    assert (found["json"], len(found["content"])) == (None, 200_000)


async def test_form(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, data={"a": "1 &", "名": "值"})
    assert found["data"] == {"a": "1 &", "名": "值"}
    assert found["content"] == "a=1+%26&%E5%90%8D=%E5%80%BC"
    assert found["files"] == []


@pytest.mark.parametrize(
    ("charset", "content", "end", "expected"),
    [
        ("", b"\xe9", b"--\r\n", "é"),
        ("; charset=gbk", "你".encode("gbk"), b"--\r\n", "你"),
        ("; charset=no-such", b"\xe9", b"--\r\n", "é"),
        ("", b"1", b"\r\n", "1"),
    ],
)
async def test_odd_multipart(
    client: aiohttp.ClientSession,
    bot: Bot,
    charset: str,
    content: bytes,
    end: bytes,
    expected: str,
) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary=x{charset}"}
    head = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    found = await inspect(client, bot, data=head + content + b"\r\n--x" + end, headers=headers)
    assert (found["data"], found["files"]) == ({"a": expected}, [])


@pytest.mark.stock_is_wrong("fastapi", "it takes files for fields")
async def test_multipart(client: aiohttp.ClientSession, bot: Bot) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("chat", "群", content_type="text/plain; charset=utf-8")
    form.add_field("f", b"\x00\xff", filename="图 片.png", content_type="image/png")
    form.add_field("f", b"second", filename="b.txt", content_type="text/plain")
    found = await inspect(client, bot, data=form)
    assert found["data"] == {"chat": "群"}
    assert found["files"] == [
        ["f", "图 片.png", "image/png", "\x00\xff"],
        ["f", "b.txt", "text/plain", "second"],
    ]
    assert "图 片.png" in found["content"].encode("latin-1").decode("utf-8", "replace")


async def test_first_route_wins(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/order/plain")) as got:
        assert (got.status, await got.text()) == (201, "文字")


@pytest.mark.parametrize(
    "path", ["/param/one", "/param/%E4%B8%80%20%E4%BA%8C", "/deep/a", "/deep/a/b/c"]
)
async def test_path_parameters(client: aiohttp.ClientSession, bot: Bot, path: str) -> None:
    found = await inspect(client, bot, path=path)
    assert URL(found["url"]).path == URL(path).path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/unknown", 404),
        ("GET", "/param", 404),
        ("POST", "/param/one/two", 404),
        ("DELETE", "/inspect", 405),
        ("POST", "/text", 405),
        ("POST", "/lower", 201),
    ],
)
async def test_status(
    client: aiohttp.ClientSession, bot: Bot, method: str, path: str, status: int
) -> None:
    async with client.request(method, bot.url(path)) as got:
        assert got.status == status


async def test_text(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/text")) as got:
        assert (got.status, await got.text()) == (201, "文字")
        assert got.headers["content-type"] == "text/plain; charset=utf-8"


async def test_bytes_with_headers(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/binary")) as got:
        assert await got.read() == b"\x00\xff"
        assert got.headers["content-type"] == "image/x-mine"
        assert got.headers["x-kind"] == "binary"
        assert got.headers["content-length"] == "2"
        assert got.headers["set-cookie"] == "a=1; Path=/"


@pytest.mark.parametrize("path", ["/page", "/page?bytes"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_type_is_made_up(
    client: aiohttp.ClientSession, bot: Bot, method: str, path: str
) -> None:
    """A browser shows the page: it would save octet-stream, and show text/plain as source."""
    for _ in range(2):
        async with client.request(method, bot.url(path)) as got:
            assert await got.read() == "<p>页".encode()
            assert got.headers.getall("content-type", []) == []


async def test_a_header_that_is_a_number_is_a_500(client: aiohttp.ClientSession, bot: Bot) -> None:
    for _ in range(2):
        async with client.get(bot.url("/number")) as got:
            assert (got.status, await got.text()) == (500, "Internal Server Error")
            assert got.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.stock_is_wrong("fastapi", "it shows a traceback")
async def test_the_log_names_who_has_made_it(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/number")):
        pass
    expected = "GET /number has made a response that cannot be sent: its header X-Number"
    await bot.logged(expected)


async def test_a_failure_is_logged_and_not_shown(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/fail")) as got:
        assert (got.status, await got.text()) == (500, "Internal Server Error")
        assert got.headers["content-type"] == "text/plain; charset=utf-8"
    await bot.logged("this handler always fails")


async def test_nothing(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/nothing")) as got:
        assert (got.status, await got.read()) == (204, b"")


@pytest.mark.stock_is_wrong("fastapi", "of repeated headers it sends the last")
async def test_repeated_headers(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/twice")) as got:
        assert got.headers.getall("set-cookie") == ["a=1", "b=2"]


async def test_route_added_while_running(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/late/added")) as got:
        assert got.status == 404
    async with client.get(bot.url("/late")) as got:
        assert got.status == 204
    async with client.get(bot.url("/late/added")) as got:
        assert (got.status, await got.text()) == (201, "文字")
    async with client.ws_connect(bot.url("/late/ws", scheme="ws")) as ws:
        await ws.send_str("late")
        assert await ws.receive_str(timeout=5) == "late"
