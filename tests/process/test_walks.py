"""The walks of docs/architecture.md, compared with the ways of real events."""

from __future__ import annotations

import json
import sys

import pytest

from nonebot_aiohttp import HTTPConnection, HTTPResponse
from tests.process.conftest import Launch
from tests.process.hosts import Host
from tests.process.simulator import Platform
from tests.process.test_signals import LOOPS
from tests.support import frames, scripts
from tests.support.bots import Decision, RecordingBot, make_driver, new_adapter
from tests.support.hosts import own_process
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually
from tests.support.walks import code_of, entered, names_of, walk

WEBHOOK = {"X-Self-ID": "1"}


async def test_a_webhook() -> None:
    steps = walk("The way of a webhook")
    names = [step.name for step in steps]
    later = [step.name for step in steps if "(the first time only)" not in step.text]
    async with own_process(make_driver(new_adapter())) as host, await host.client() as client:
        for expected in (names, later):
            with entered(names) as order:
                await client.request("POST", "/recorder/", WEBHOOK, b"event")
            assert order == expected
    assert len(later) < len(names)


async def test_a_websocket_frame() -> None:
    adapter, names = new_adapter(), names_of("The way of a WebSocket frame")
    async with own_process(make_driver(adapter)) as host, await host.client() as client:
        with entered(names) as order:
            await host.upgrade(client)
            await client.send_frame(frames.text("event"))
            await eventually(lambda: adapter.messages)
    assert order == names


async def test_an_answer_by_a_response() -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            return "1", HTTPResponse(202, b"{}", {"content-type": "application/json"})

    names = names_of("The way of an answer: a response")
    async with own_process(make_driver(Recorder)) as host:
        with entered(names) as order:
            assert (await host.post()).status == 202
    assert order == names


async def test_an_answer_by_a_websocket() -> None:
    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            await self.call_api("answer")

        async def _call_api(self, api: str, **data: object) -> None:
            await self.socket.send(api)

    names = names_of("The way of an answer: a WebSocket")
    async with own_process(make_driver(Recorder)) as host, host.connected() as client:
        with entered(names) as order:
            await client.send_frame(frames.text("event"))
            assert (await client.read_frame()).payload == b"answer"
    assert order == names


async def test_an_answer_by_a_call_over_http() -> None:
    names, driver = names_of("The way of an answer: a call by HTTP"), make_driver()
    async with ScriptedServer(scripts.status(200)) as server, driver.lifespan():
        with entered(names) as order:
            async with driver.session.post(server.url, json={}) as response:
                assert response.status == 200
    assert order == names


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process there without a word")
@pytest.mark.parametrize("loop", LOOPS)
async def test_the_stop(loop: str, launch: Launch) -> None:
    names = names_of("The way of the stop")
    walking = Host("run()", ("tests.process.bots.walking", json.dumps(names)))
    program = launch(walking, aiohttp_loop=loop, aiohttp_close_timeout=60)
    async with Platform(program.port) as platform:
        line = await platform.connect("7")
        code = await line.close_code()
        assert await program.exit_code() == 0
    assert code == 1001
    entries = [line.removeprefix("entered ") for line in program.journal if "entered " in line]
    assert entries == names


@pytest.mark.parametrize("name", ["reverse.gate.Gate.ask", "reverse.gate.unquote", "nowhere.at"])
def test_a_function_that_does_not_exist_is_noticed(name: str) -> None:
    with pytest.raises(LookupError, match="is on the page"):
        code_of(name)
