"""Plugins that use a FastAPI application, on NoneBot's own driver and on ours under every host."""

import asyncio
import json
from collections.abc import Iterator

import aiohttp
import pytest

from tests.process.hosts import HOSTS
from tests.process.observing import check
from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.process import Bot


@pytest.fixture(scope="module")
def bot(fastapi_driver: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot with plugins that add to the application."""
    folder = tmp_path_factory.mktemp("bot")
    # What a test has made fail may be logged only when the bot is stopped.
    with Bot(
        "fastapi_bot", fastapi_driver, folder, allow_tracebacks=True, aiohttp_fastapi=True
    ) as bot:
        yield bot


async def get(client: aiohttp.ClientSession, bot: Bot, path: str) -> tuple[int, str]:
    async with client.get(bot.url(path)) as answer:
        return answer.status, await answer.text()


async def test_it_is_a_fastapi_application(bot: Bot) -> None:
    expected = {"what": "application", "get_app": True, "server_app": True, "asgi": True}
    assert bot.all_told("application") == [expected]


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


async def test_pages_are_behind_adapters_routes(client: aiohttp.ClientSession, bot: Bot) -> None:
    for _ in range(2):
        async with client.post(bot.url("/hook"), data=b"event") as answer:
            assert (answer.status, await answer.text()) == (200, "hook")
    are_pages_served = await get(client, bot, "/late") == (200, '"late"')
    for host in HOSTS:
        if host.name == bot.candidate.documented:
            check("pages", host, are_pages_served)
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


async def test_events_with_a_client_that_leaves(client: aiohttp.ClientSession, bot: Bot) -> None:
    ended = len(bot.all_told("events have ended"))
    async with client.get(bot.url("/events")) as answer:
        assert await within(answer.content.readuntil(b"\n\n")) == b"data: first\n\n"
        assert len(bot.all_told("events have ended")) == ended
        answer.close()
    await bot.told("events have ended", ended + 1)
    assert (await get(client, bot, "/late"))[0] == 200


@pytest.mark.not_under("hypercorn", "it tells applications 1006")
async def test_the_client_closes_a_websocket(client: aiohttp.ClientSession, bot: Bot) -> None:
    closed = len(bot.all_told("closed"))
    async with client.ws_connect(bot.url("/ws", scheme="ws")) as ws:
        await ws.send_str("你好")
        assert await ws.receive_str(timeout=5) == "你好"
        await ws.close(code=4001, message=b"had enough")
    end = await bot.told("closed", closed + 1)
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


async def test_adapters_routes_are_listed(bot: Bot) -> None:
    for entry in bot.all_told("routes"):
        assert {"/hook", "/hook/ws", "/show"} <= set(json.loads(entry["paths"]))
