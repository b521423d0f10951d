"""Peers that have fallen silent are noticed, and it looks as every other ending does."""

from pathlib import Path

import pytest
from nonebot.drivers import Request
from nonebot.exception import WebSocketClosed

from ..support.choice import Candidate
from ..support.inprocess import make_driver, started
from ..support.network import within
from ..support.process import running
from ..support.silent import silent_client, silent_server

pytestmark = [
    pytest.mark.stock_is_wrong("aiohttp", "it has no heartbeat"),
    pytest.mark.stock_is_wrong("httpx", "its heartbeat cannot be set"),
]

HEARTBEAT = 0.5


async def test_server_that_never_answers(client_driver: Candidate) -> None:
    driver = make_driver(client_driver, aiohttp_heartbeat=HEARTBEAT)
    async with started(driver), silent_server() as url, driver.websocket(Request("GET", url)) as ws:
        with pytest.raises(WebSocketClosed) as caught:
            await within(ws.receive())
        assert caught.value.code == 1006
        with pytest.raises(WebSocketClosed):
            await within(ws.receive_text())
        assert ws.closed


@pytest.mark.not_under("uvicorn", "an ASGI server has a heartbeat of its own")
async def test_client_that_never_answers(server_driver: Candidate, tmp_path: Path) -> None:
    settings = {"aiohttp_heartbeat": HEARTBEAT}
    async with (
        running("server_bot", server_driver, tmp_path, **settings) as bot,
        silent_client(bot.port, "/ws/echo?name=silent"),
    ):
        end = await bot.note("closed silent")
    assert (end["code"], end["closed"]) == (1006, True)
