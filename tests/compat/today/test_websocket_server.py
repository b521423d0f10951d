"""`ASGIMixin.setup_websocket_server`: handshake, messages, refusal, and every kind of ending."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from nonebot.drivers import URL

from tests.support.client import RawClient
from tests.support.waiting import within

from ..support.process import Bot

REFUSED = aiohttp.WSServerHandshakeError


@pytest.fixture
def name() -> str:
    """A name for a WebSocket, under which the bot notes its end."""
    return uuid.uuid4().hex


def connect(client: aiohttp.ClientSession, bot: Bot, path: str, **options: Any) -> Any:
    return client.ws_connect(bot.url(f"/ws/{path}", scheme="ws"), **options)


async def inspect(client: aiohttp.ClientSession, bot: Bot, path: str, **options: Any) -> Any:
    """Return what the handle function saw of the handshake."""
    async with connect(client, bot, path, **options) as ws:
        return json.loads(await ws.receive_str(timeout=5))


@pytest.mark.parametrize("path", ["inspect", "param/%E5%80%BC"])
async def test_request(client: aiohttp.ClientSession, bot: Bot, path: str) -> None:
    headers = {"X-Self-ID": "42", "Cookie": "a=1; b=2"}
    found = await inspect(client, bot, f"{path}?x=%E5%90%8D", headers=headers)
    url = URL(found["url"])
    assert (url.scheme, url.host, url.port) == ("ws", "127.0.0.1", bot.port)
    assert (url.path, url.query["x"]) == (URL(f"/ws/{path}").path, "名")
    assert (found["method"], found["version"]) == ("GET", "1.1")
    assert dict(found["headers"])["x-self-id"] == "42"
    assert found["cookies"] == {"a": "1", "b": "2"}
    assert [found[part] for part in ("content", "json", "data", "files")] == [None] * 4


@pytest.mark.filterwarnings("ignore")
async def test_no_subprotocol_is_chosen(client: aiohttp.ClientSession, bot: Bot) -> None:
    """NoneBot has no way for an adapter to choose one."""
    async with connect(client, bot, "echo", protocols=("12.onebot", "11.onebot")) as ws:
        assert ws.protocol is None
        assert "Sec-WebSocket-Protocol" not in ws._response.headers
        await ws.send_str("still there")
        assert await ws.receive_str(timeout=5) == "still there"
    found = await inspect(client, bot, "inspect", protocols=("12.onebot",))
    assert dict(found["headers"])["sec-websocket-protocol"] == "12.onebot"


@pytest.mark.parametrize("data", ["", "文字", "x" * 100_000, b"", b"\x00\xff"], ids=len)
async def test_messages(client: aiohttp.ClientSession, bot: Bot, data: str | bytes) -> None:
    async with connect(client, bot, "echo") as ws:
        await (ws.send_str(data) if isinstance(data, str) else ws.send_bytes(data))
        assert (await ws.receive(timeout=5)).data == data


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4321, "再见")])
async def test_closed_by_the_peer(
    client: aiohttp.ClientSession, bot: Bot, name: str, code: int, reason: str
) -> None:
    async with connect(client, bot, f"echo?name={name}") as ws:
        await ws.close(code=code, message=reason.encode())
        # The answer has the same code (RFC 6455, 5.5.1).
        assert ws.close_code == code
    end = await bot.told(f"closed {name}")
    assert (end["code"], end["closed"]) == (code, True)
    if bot.candidate.is_ours:  # the stock drivers lose the reason
        assert end["reason"] == reason


@pytest.mark.stock_is_wrong("aiohttp", "it has no heartbeat")
@pytest.mark.not_under("uvicorn", "an ASGI server has a heartbeat of its own")
async def test_a_peer_that_never_answers_a_ping(bot: Bot, name: str) -> None:
    async with await RawClient.connect(bot.port) as peer:
        assert (await peer.upgrade(f"/ws/echo?name={name}")).status == 101
        end = await bot.told(f"closed {name}")
    assert (end["code"], end["closed"]) == (1006, True)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1003, "no"), (4001, "够了")])
async def test_closed_by_us(
    client: aiohttp.ClientSession, bot: Bot, name: str, code: int, reason: str
) -> None:
    options = {"params": {"code": str(code), "reason": reason, "name": name}, "autoclose": False}
    async with connect(client, bot, "close", **options) as ws:
        message = await ws.receive(timeout=5)
        await ws.close()
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert (message.data, message.extra or "") == (code, reason)
    assert (await bot.told(f"closed {name}"))["closed"]


async def test_refusal(client: aiohttp.ClientSession, bot: Bot) -> None:
    with pytest.raises(REFUSED) as caught:
        await connect(client, bot, "refuse")
    assert caught.value.status == 403


async def test_refusal_is_answered_before_the_function_ends(
    client: aiohttp.ClientSession, bot: Bot
) -> None:
    async with holding() as (port, let_go):
        with pytest.raises(REFUSED) as caught:
            await within(connect(client, bot, f"refuse-first?port={port}"))
        assert caught.value.status == 403
        assert bot.all_told("the refusing function is done") == []
        let_go.set()
        await bot.told("the refusing function is done")


@asynccontextmanager
async def holding() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Listen on a port, and hold the connections to it until an event is set."""
    let_go = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], let_go


@pytest.mark.parametrize("path", ["return", "raise"])
async def test_handler_that_never_accepts(
    client: aiohttp.ClientSession, bot: Bot, path: str
) -> None:
    with pytest.raises(REFUSED) as caught:
        await connect(client, bot, path)
    assert caught.value.status >= 400


async def test_unknown_path(client: aiohttp.ClientSession, bot: Bot) -> None:
    with pytest.raises(REFUSED) as caught:
        await connect(client, bot, "unknown")
    assert caught.value.status in (403, 404)


async def test_foreign_origin_is_accepted(client: aiohttp.ClientSession, bot: Bot) -> None:
    found = await inspect(client, bot, "inspect", headers={"Origin": "https://far.example"})
    assert dict(found["headers"])["origin"] == "https://far.example"
