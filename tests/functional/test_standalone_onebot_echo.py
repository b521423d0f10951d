"""Tests of the OneBot example against a platform on real sockets."""

from __future__ import annotations

import asyncio
import hmac
import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nonebot_aiohttp import ApiNotAvailable, Driver
from nonebot_aiohttp.config import Env
from tests.support.hosts import own_process, serve_application
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

example = importlib.import_module("examples.onebot_echo")

ME = {"X-Self-ID": "12345"}
EVENT = json.dumps(
    {"post_type": "message", "message_type": "private", "user_id": 7, "message": "/echo hello"}
).encode()
SIGNATURE = "sha1=" + hmac.new(b"key", EVENT, "sha1").hexdigest()
BEARER = {"Authorization": "Bearer token"}

Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


def make_driver(**settings: Any) -> Driver:
    config = example.Settings(_env_file=None, **settings)
    driver = Driver(Env(_env_file=None), config)
    driver.register_adapter("cqhttp", example.Bot)
    return driver


@asynccontextmanager
async def connected(
    driver: Driver, target: str = "", **headers: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Serve the bot and connect a platform to it."""
    async with own_process(driver) as host, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{host.port}/cqhttp/ws{target}"
        async with session.ws_connect(url, headers={**ME, **headers}) as socket:
            yield socket


async def connected_bot(driver: Driver) -> Any:
    return await eventually(lambda: driver.bots.get("12345"))


async def echoed(socket: aiohttp.ClientWebSocketResponse, message: Any, **event: Any) -> Any:
    """Send a message event and return the API call that follows, answered."""
    fields = {"post_type": "message", "message_type": "private", "user_id": 7, "message": message}
    await socket.send_json({**fields, **event})
    call = await within(socket.receive_json())
    await answer(socket, call, {"message_id": 1})
    return call


async def answer(socket: Socket, call: Any, data: Any) -> None:
    await socket.send_json({"status": "ok", "retcode": 0, "data": data, "echo": call["echo"]})


class Api:
    """The platform's side of API and forward WebSocket: keeps what the bot asks for."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.tokens: list[str | None] = []
        self.app = web.Application()
        self.app.router.add_post("/api/{action}", self.call)
        self.app.router.add_get("/", self.socket)

    async def call(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization"))
        self.calls.put_nowait((request.match_info["action"], await request.json()))
        return web.json_response({"status": "ok", "retcode": 0, "data": {"message_id": 1}})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self.tokens.append(request.headers.get("Authorization"))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_bytes(EVENT)
        call = await socket.receive_json()
        self.calls.put_nowait((call["action"], call["params"]))
        await answer(socket, call, {"message_id": 1})
        await socket.receive()
        return socket


@pytest.mark.parametrize(
    ("settings", "headers", "target", "status"),
    [
        ({}, ME, "", 204),
        ({}, {}, "", 400),
        ({"secret": "key"}, ME, "", 401),
        ({"secret": "key"}, {**ME, "X-Signature": "sha1=00"}, "", 403),
        ({"secret": "key"}, {**ME, "X-Signature": "\udcff"}, "", 403),
        ({"secret": "key"}, {**ME, "X-Signature": SIGNATURE}, "", 204),
        ({"secret": "key", "access_token": "token"}, {**ME, "X-Signature": SIGNATURE}, "", 204),
        ({"secret": "key", "access_token": "token"}, {**ME, **BEARER}, "", 401),
        ({"access_token": "token"}, ME, "", 401),
        ({"access_token": "token"}, {**ME, "Authorization": "Bearer other"}, "", 403),
        ({"access_token": "token"}, {**ME, "Authorization": "Basic token"}, "", 401),
        ({"access_token": "token"}, {**ME, **BEARER}, "", 204),
        ({"access_token": "token"}, ME, "?access_token=token", 204),
        ({"access_token": "token"}, ME, "?access_token=other", 403),
    ],
)
async def test_a_webhook_needs_the_signature_or_else_the_token(
    settings: dict[str, str], headers: dict[str, str], target: str, status: int
) -> None:
    async with own_process(make_driver(**settings)) as host:
        encoded = {
            name: value.encode("utf-8", "replace").decode() for name, value in headers.items()
        }
        response = await host.request("POST", f"/cqhttp/{target}", encoded, EVENT)
    assert response.status == status


@pytest.mark.parametrize(
    ("settings", "headers", "target", "status"),
    [
        ({}, {}, "", 101),
        ({"secret": "key"}, {}, "", 101),
        ({"access_token": "token"}, {}, "", 401),
        ({"access_token": "token"}, {"Authorization": "Bearer other"}, "", 403),
        ({"access_token": "token"}, BEARER, "", 101),
        ({"access_token": "token"}, {"Authorization": "Token token"}, "", 101),
        ({"access_token": "token"}, {}, "?access_token=token", 101),
    ],
)
async def test_a_reverse_websocket_needs_the_token(
    settings: dict[str, str], headers: dict[str, str], target: str, status: int
) -> None:
    async with own_process(make_driver(**settings)) as host, await host.client() as client:
        response = await client.upgrade(f"/cqhttp/ws{target}", {**ME, **headers})
    assert response.status == status


async def test_it_echoes_text_and_segments_to_where_they_came_from() -> None:
    text, image = {"type": "text", "data": {"text": "/echo a"}}, {"type": "image", "data": {}}
    async with connected(make_driver()) as socket:
        call = await echoed(socket, "/echo 你好 &#91;x&#93;")
        where = {"message_type": "private", "user_id": 7}
        assert call["action"] == "send_msg"
        assert call["params"] == {**where, "message": "你好 &#91;x&#93;"}

        call = await echoed(socket, [text, image], message_type="group", group_id=9)
        where = {"message_type": "group", "user_id": 7, "group_id": 9}
        rest = [{"type": "text", "data": {"text": "a"}}, image]
        assert call["params"] == {**where, "message": rest}

        text["data"] = {"text": "/echo "}
        assert (await echoed(socket, [text, image]))["params"]["message"] == [image]


async def test_it_leaves_other_events_alone(logs: Logs) -> None:
    image = {"type": "image", "data": {}}
    text = {"type": "text", "data": {"text": "echo x"}}
    async with connected(make_driver()) as socket:
        await socket.send_json({"post_type": "meta_event", "meta_event_type": "heartbeat"})
        for message in ("hello", "/echo", "/echo ", " /echo x", [], [image], [text]):
            await socket.send_json({"post_type": "message", "message": message})
        await socket.send_json({"status": "ok", "echo": {"of": "somebody else"}})
        assert (await echoed(socket, "/echo last"))["params"]["message"] == "last"
    assert not logs.messages("ERROR")


async def test_each_api_call_gets_its_own_answer_whatever_their_order() -> None:
    driver = make_driver()
    async with connected(driver) as socket:
        bot = await connected_bot(driver)
        asking = [asyncio.create_task(bot.call_api("get", number=number)) for number in range(3)]
        calls = [await within(socket.receive_json()) for _ in asking]
        for call in reversed(calls):
            await answer(socket, call, call["params"]["number"])
        assert await within(asyncio.gather(*asking)) == [0, 1, 2]


async def test_a_failed_api_call_is_logged_and_the_bot_goes_on(logs: Logs) -> None:
    async with connected(make_driver()) as socket:
        await socket.send_bytes(EVENT)
        call = await within(socket.receive_json())
        await socket.send_json({"status": "failed", "retcode": 100, "echo": call["echo"]})
        await echoed(socket, "/echo again")
    assert logs.matching("send_msg failed with retcode 100", "WARNING")


async def test_an_api_call_fails_when_its_connection_is_lost() -> None:
    driver = make_driver(api_timeout=None)
    async with connected(driver) as socket:
        bot = await connected_bot(driver)
        call = asyncio.create_task(bot.call_api("get_status"))
        await within(socket.receive_json())
        await socket.close()
        with pytest.raises(ApiNotAvailable, match="the connection is gone"):
            await within(call)


async def test_an_api_call_without_an_answer_ends_in_time() -> None:
    driver = make_driver(api_timeout=0.01)
    async with connected(driver):
        bot = await connected_bot(driver)
        with pytest.raises(asyncio.TimeoutError):
            await bot.call_api("get_status")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_webhook_is_answered_over_the_http_api(slash: str) -> None:
    api = Api()
    async with serve_application(api.app) as port:
        root = {"12345": f"http://127.0.0.1:{port}/api{slash}"}
        async with own_process(make_driver(api_root=root, access_token="token")) as host:
            response = await host.request("POST", "/cqhttp/", {**ME, **BEARER}, EVENT)
            assert response.status == 204
            action, parameters = await within(api.calls.get())
    assert (action, parameters["user_id"], parameters["message"]) == ("send_msg", 7, "hello")
    assert api.tokens == ["Bearer token"]


async def test_a_webhook_without_an_http_api_says_what_is_missing(logs: Logs) -> None:
    async with own_process(make_driver()) as host:
        assert (await host.request("POST", "/cqhttp/", ME, EVENT)).status == 204
        await eventually(lambda: logs.matching("API_ROOT has no URL for bot 12345", "WARNING"))


@pytest.mark.parametrize(("token", "shown"), [(None, None), ("token", "Bearer token")])
async def test_a_forward_websocket_is_echoed_on(token: str | None, shown: str | None) -> None:
    api = Api()
    async with serve_application(api.app) as port:
        urls = {"12345": f"ws://127.0.0.1:{port}/"}
        async with own_process(make_driver(ws_urls=urls, access_token=token)):
            action, parameters = await within(api.calls.get())
    assert (action, parameters["message"]) == ("send_msg", "hello")
    assert api.tokens[0] == shown
