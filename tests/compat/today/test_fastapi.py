"""Plugins that want a FastAPI application: on NoneBot's own driver, and here under every host."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.process.hosts import HOSTS
from tests.process.observing import check
from tests.support.ports import free_port

from ..support.choice import Candidate
from ..support.network import eventually, within
from ..support.process import Bot, hosted

MIB = 1 << 20


@pytest.fixture(scope="module")
def bot(fastapi_driver: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot with plugins that add to the application."""
    folder = tmp_path_factory.mktemp("bot")
    with hosted("fastapi_bot", fastapi_driver, folder, aiohttp_fastapi=True) as bot:
        yield bot


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client without a memory."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def get(client: aiohttp.ClientSession, bot: Bot, path: str) -> tuple[int, str]:
    """Ask for a page."""
    async with client.get(bot.url(path)) as answer:
        return answer.status, await answer.text()


async def test_it_is_a_fastapi_application(bot: Bot) -> None:
    expected = {"what": "application", "get_app": True, "server_app": True, "asgi": True}
    assert bot.noted("application") == [expected]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/plugin/items/7?token=secret", 200, '{"number":7,"token":"secret"}'),
        ("/plugin/items/7", 401, '{"detail":"no token"}'),
        ("/plugin/sync", 200, '"from a thread"'),
        ("/hook", 200, "a page"),
        ("/pages/", 200, "<h1>你好</h1>"),
        ("/late", 200, '"late"'),
        ("/fail", 500, "Internal Server Error"),
    ],
)
async def test_pages(
    client: aiohttp.ClientSession, bot: Bot, path: str, status: int, said: str
) -> None:
    assert await get(client, bot, path) == (status, said)


async def test_the_table_of_hosts(client: aiohttp.ClientSession, bot: Bot) -> None:
    name = {"run": "run()", "serve": "serve()", "subapp": "add_subapp"}.get(
        bot.candidate.host, bot.candidate.host
    )
    page, hook = await get(client, bot, "/late"), client.post(bot.url("/hook"))
    async with hook as answer:
        are_both_there = page == (200, '"late"') and answer.status == 200
    assert are_both_there
    for host in HOSTS:
        if host.name == name:
            check("pages", host, are_both_there)


async def test_adapters_routes_are_served_as_ever(client: aiohttp.ClientSession, bot: Bot) -> None:
    for path in ("/hook", "/hook"):
        async with client.post(bot.url(path), data=b"event") as answer:
            assert (answer.status, await answer.text()) == (200, "hook")
    async with client.ws_connect(bot.url("/hook/ws", scheme="ws")) as ws:
        assert await ws.receive_str(timeout=5) == "hook"
    async with client.put(bot.url("/hook")) as answer:
        assert answer.status == 405


@pytest.mark.not_under("attach", "what nobody has a route for stays the application's")
async def test_unknown_paths_are_the_applications(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/nothing")) as answer:
        assert answer.status == 404
        assert await answer.json() == {"nothing": f"{bot.candidate.prefix}/nothing"}
        assert answer.headers["x-marked"] == "yes"
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await get(client, bot, path))[0] == 404


async def test_the_request(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.put(bot.url("/show?a=1")) as answer:
        shown = await answer.json()
    assert shown == {
        "http_version": "1.1",
        "url": bot.url("/show?a=1"),
        "client": "127.0.0.1",
        "path": f"{bot.candidate.prefix}/show",
        "root_path": bot.candidate.prefix,
    }


@pytest.mark.not_under("hypercorn", "it reads no such headers")
async def test_a_proxy_on_this_machine(client: aiohttp.ClientSession, bot: Bot) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "bot.example"}
    async with client.get(bot.url("/show"), headers=headers) as answer:
        shown = await answer.json()
    assert shown["url"] == f"https://bot.example{bot.candidate.prefix}/show"
    assert shown["client"] == "192.0.2.1"


async def test_two_cookies(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/cookies")) as answer:
        values = answer.headers.getall("set-cookie")
    assert [value.partition(";")[0] for value in values] == ["a=1", "b=2"]


@pytest.mark.parametrize("chunked", [True, False])
async def test_an_upload_of_30_mib(client: aiohttp.ClientSession, bot: Bot, chunked: bool) -> None:
    part = bytes(range(256)) * 4096

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield part

    headers = {} if chunked else {"Content-Length": str(30 * MIB)}
    async with client.post(bot.url("/upload"), data=parts(), headers=headers) as answer:
        assert await answer.json() == [30 * MIB, hashlib.sha256(part * 30).hexdigest()]


async def test_events_with_a_client_that_leaves(client: aiohttp.ClientSession, bot: Bot) -> None:
    ended = len(bot.noted("events have ended"))
    async with client.get(bot.url("/events")) as answer:
        assert await within(answer.content.readuntil(b"\n\n")) == b"data: first\n\n"
        assert len(bot.noted("events have ended")) == ended
        answer.close()
    await bot.note("events have ended", ended + 1)
    assert (await get(client, bot, "/late"))[0] == 200


async def test_an_error_amid_a_stream(client: aiohttp.ClientSession, bot: Bot) -> None:
    async with client.get(bot.url("/half")) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_background_task(client: aiohttp.ClientSession, bot: Bot) -> None:
    ended = len(bot.noted("the background task has ended"))
    arrived: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    port = free_port()
    async with await asyncio.start_server(
        lambda _, writer: arrived.set_result(writer), "127.0.0.1", port
    ):
        assert await get(client, bot, f"/background?port={port}") == (200, "taken")
        writer = await within(arrived)
        assert (await get(client, bot, "/late"))[0] == 200
        assert len(bot.noted("the background task has ended")) == ended
        writer.close()
        await bot.note("the background task has ended", ended + 1)


@pytest.mark.not_under("hypercorn", "it tells applications 1006")
async def test_the_client_closes_a_websocket(client: aiohttp.ClientSession, bot: Bot) -> None:
    closed = len(bot.noted("closed"))
    async with client.ws_connect(bot.url("/ws", scheme="ws")) as ws:
        await ws.send_str("你好")
        assert await ws.receive_str(timeout=5) == "你好"
        await ws.close(code=4001, message=b"had enough")
    end = await bot.note("closed", closed + 1)
    assert (end["code"], end["reason"]) == (4001, "had enough")


@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade"])
async def test_the_plugin_closes_a_websocket(
    client: aiohttp.ClientSession, bot: Bot, connection: str
) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": connection,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "chat",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = f"{bot.candidate.prefix}/ws/close"
    reader, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    answer = (await within(reader.readuntil(b"\r\n\r\n"))).lower()
    assert answer.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-protocol: chat\r\n" in answer
    assert await within(reader.readexactly(15)) == b"\x88\x0d\x0f\xa1wrong token"
    writer.close()


async def test_the_plugin_refuses_a_websocket(client: aiohttp.ClientSession, bot: Bot) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(bot.url("/ws/refuse", scheme="ws"))
    assert refused.value.status == 403


async def test_adapters_routes_are_listed(bot: Bot) -> None:
    for entry in bot.noted("routes"):
        assert {"/hook", "/hook/ws", "/show"} <= set(json.loads(entry["paths"]))


async def test_the_plugins_live_within_the_bots_life(bot: Bot) -> None:
    await eventually(lambda: len(bot.noted("step")) >= 2, "the start")
    assert {entry["name"] for entry in bot.noted("step")} == {"startup", "router starts"}
    # Plugins wrap it when the bot starts, which needs one to be there.
    assert (await bot.note("middleware"))["is_there"]
