"""What operators ask of thousands of bots is done in turns with the rest of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from nonebot_aiohttp import Driver
from nonebot_aiohttp.connections import open_websockets
from nonebot_aiohttp.connections.open_websockets import OpenWebSockets
from nonebot_aiohttp.connections.records import FORWARD, REVERSE
from nonebot_aiohttp.operations import observer
from nonebot_aiohttp.operations.status import MessageStatus

T = TypeVar("T")

TOKEN = "a-long-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Counted:
    """A WebSocket that has counted its messages."""

    def __init__(self, owner: str = "my", received: int = 1, sent: int = 2) -> None:
        self.owner, self.received, self.sent = owner, received, sent


async def turns_during(awaitable: Awaitable[T]) -> tuple[T, int]:
    """Await something; return how many turns others had of the event loop meanwhile."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    others = asyncio.ensure_future(take_turns())
    try:
        return await awaitable, turns
    finally:
        others.cancel()


def many(count: int, **counts: Any) -> Any:
    websockets: Any = OpenWebSockets()
    for _ in range(count):
        websockets.add(Counted(**counts))
    return websockets


async def test_messages_are_counted_in_turns() -> None:
    websockets = many(4 * open_websockets.A_TURN)
    counts, turns = await turns_during(websockets.messages_in_turns())
    assert counts == websockets.messages() == {"my": [2000, 4000]}
    assert turns >= 3


async def test_a_websocket_that_ends_during_the_count_counts_once() -> None:
    websockets = many(open_websockets.A_TURN)
    last: Any = Counted(received=5)
    websockets.add(last)
    counting = asyncio.ensure_future(websockets.messages_in_turns())
    await asyncio.sleep(0)
    websockets.remove(last)
    assert await counting == websockets.messages() == {"my": [505, 1002]}


async def test_a_websocket_that_opens_during_the_count_counts_the_next_time() -> None:
    websockets = many(1)
    counting = asyncio.ensure_future(websockets.messages_in_turns())
    await asyncio.sleep(0)
    websockets.add(Counted("other"))
    assert await counting == {"my": [1, 2]}
    assert await websockets.messages_in_turns() == {"my": [1, 2], "other": [1, 2]}


def make_driver() -> Any:
    config: Any = SimpleNamespace(aiohttp_ops_token=TOKEN)
    return Driver(SimpleNamespace(environment="test"), config)


def connect(driver: Any, count: int, way: str = REVERSE, adapter: str = "my") -> list[Any]:
    """Make records of so many bots, without connections."""
    records = driver._connected_bots.records
    bots = [SimpleNamespace(self_id=str(number)) for number in range(count)]
    for bot in bots:
        records.add(bot, adapter, way)
    return bots


@asynccontextmanager
async def operated(driver: Any) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Serve what operators ask."""
    async with TestClient(TestServer(driver.operations)) as client:
        yield client


async def test_the_status_as_json_is_the_status() -> None:
    driver = make_driver()
    kept = connect(driver, observer.A_TURN + 3)
    async with operated(driver) as client:
        response = await client.get("/status", headers=HEADERS)
        shown = await response.json()
    assert len(shown["bots"]) == len(kept)
    assert [*shown] == [*driver.status().asdict()]
    assert shown == driver.status().asdict()


async def test_the_status_of_nobody_is_json_too() -> None:
    driver = make_driver()
    async with operated(driver) as client:
        response = await client.get("/status", headers=HEADERS)
        assert (await response.json())["bots"] == []


async def test_bots_are_described_in_turns() -> None:
    driver = make_driver()
    kept = connect(driver, 4 * observer.A_TURN)
    status, turns = await turns_during(driver._operations.observer.current(bots=True))
    assert status.bots == driver.status().bots
    assert len(status.bots) == len(kept)
    assert turns >= 3


@pytest.mark.parametrize(
    ("query", "total"), [("", 20), ("1", 11), ("MY", 10), ("forward", 10), ("WebSocket", 20)]
)
async def test_bots_are_found_by_id_adapter_and_way(query: str, total: int) -> None:
    driver = make_driver()
    kept = [*connect(driver, 10, REVERSE, "My"), *connect(driver, 10, FORWARD, "other1")]
    found = await driver._operations.observer.find_bots(query, 2, 3)
    assert (found.total, found.connected, len(found.bots)) == (total, len(kept), 3)


async def test_the_status_of_now_is_that_of_the_driver() -> None:
    driver = make_driver()
    websocket: Any = Counted(received=1)
    driver._operations.observer._parts.websockets[0].add(websocket)
    current = await driver._operations.observer.current(bots=True)
    assert current.messages == driver.status().messages == (MessageStatus("my", 1, 2),)


async def test_bots_are_searched_in_turns() -> None:
    driver = make_driver()
    kept = connect(driver, 4 * observer.SEARCHED_A_TURN)
    found, turns = await turns_during(driver._operations.observer.find_bots("99", 2, 3))
    assert turns >= 3
    ids = [bot.id for bot in driver.status().bots if "99" in bot.id]
    assert [bot.id for bot in found.bots] == ids[2:5]
    assert (found.total, found.connected) == (len(ids), len(kept))
