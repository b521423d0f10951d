"""What the kit says about its own side: a loop that is blocked, a start twice, a lost port."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp.testing import FunctionFailed, Platform
from nonebot_aiohttp.testing.platforms import life
from nonebot_aiohttp.testing.wire import background
from nonebot_aiohttp.testing.wire.listeners import Listener
from tests.support.client import RawClient


@pytest.fixture
def blocker(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An event for which a function waits; the platform's deadlines are short."""
    monkeypatch.setattr(life, "_ENDING", 0.3)
    monkeypatch.setattr(background, "_ONCE_MORE", 0.1)
    event = threading.Event()
    before = set(threading.enumerate())
    yield event
    event.set()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "nonebot-testing-platform":
            thread.join(10)
            assert not thread.is_alive()


def _block(made: Platform, blocker: threading.Event) -> threading.Event:
    begun = threading.Event()

    def a_function_that_blocks(_: object) -> dict[str, Any]:
        begun.set()
        blocker.wait(20)
        return {}

    made.on("GET", "/x").reply(a_function_that_blocks)
    return begun


SAYS = r"(?s)did not end within 0\.3 s.*must not block it.*in a_function_that_blocks"


async def test_a_function_that_blocks_the_platform_is_named(blocker: threading.Event) -> None:
    async def test() -> None:
        async with Platform() as made, await RawClient.connect(made.port) as client:
            begun = _block(made, blocker)
            await client.send_request("GET", "/x")
            assert await asyncio.to_thread(begun.wait, 10)

    with pytest.raises(background.Blocked, match=SAYS):
        await test()


def test_a_function_that_blocks_a_platform_without_a_loop_is_named(
    blocker: threading.Event,
) -> None:
    def test() -> None:
        with Platform() as made:
            begun = _block(made, blocker)
            made.soon(lambda: made._server.routes[0].next(None).content(None))  # type: ignore
            assert begun.wait(10)

    with pytest.raises(background.Blocked, match=SAYS):
        test()


async def test_a_second_start_says_when_it_has_to_come() -> None:
    async with Platform() as made:
        with pytest.raises(RuntimeError, match=r"runs already.*after\s+stop"):
            await made.start()
        await made.restart()
        async with await RawClient.connect(made.port):
            pass


async def test_a_port_is_kept_while_its_connections_end() -> None:
    goes_on, ends = asyncio.Event(), asyncio.Event()

    async def serve(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        try:
            goes_on.set()
            await asyncio.Event().wait()
        finally:
            await ends.wait()

    listener = Listener(serve, lambda *_: None)
    await listener.open()
    client = await RawClient.connect(listener.port)
    await goes_on.wait()
    shutting = asyncio.create_task(listener.shut())
    await asyncio.sleep(0)
    assert listener._reserved is not None
    assert listener._reserved.getsockname()[1] == listener.port
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(listener.port)
    ends.set()
    await shutting
    await listener.close()
    with contextlib.suppress(ConnectionError):
        await client.close()


async def test_an_error_of_what_serves_a_connection_fails_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with Platform() as made:

            async def fail(*_: object) -> None:
                raise KeyError("of the kit")

            monkeypatch.setattr(made._plain, "_serve", fail)
            async with await RawClient.connect(made.port) as client:
                assert await client.read_to_end() == b""

    with pytest.raises(FunctionFailed, match=r"(?s)what serves a connection.*of the kit"):
        await test()


async def test_an_answer_keeps_all_cookies() -> None:
    async def answer(_: web.Request) -> web.Response:
        response = web.Response()
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Platform() as made:
            got = await made.post(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        assert got.headers["content-length"] == "0"
        cookies = [each.partition(";")[0] for each in got.headers.getall("set-cookie")]
        assert cookies == ["a=1", "b=2"]
        assert set(got.headers) >= {"set-cookie", "content-length"}
    finally:
        await runner.cleanup()
