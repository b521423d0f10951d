"""An adapter's own tests, as its author would write them with nonebug."""

import asyncio
import json
from typing import Any

import nonebot
import pytest
from nonebot.drivers import URL, HTTPServerSetup, Request, Response
from nonebug import App

HEADERS = {"X-Self-ID": "1"}


def event(text: str) -> dict[str, Any]:
    """Make a private message of OneBot's."""
    return {
        "time": 1_700_000_000,
        "self_id": 1,
        "post_type": "message",
        "message_type": "private",
        "sub_type": "friend",
        "message_id": 1,
        "user_id": 2,
        "message": [{"type": "text", "data": {"text": text}}],
        "raw_message": text,
        "font": 0,
        "sender": {},
    }


async def test_http(app: App) -> None:
    async with app.test_server() as ctx:
        client = ctx.get_client()
        response = await client.post("/onebot/v11/", json=event("hello"), headers=HEADERS)
        assert response.status_code == 204
        assert "1" in nonebot.get_bots()
        adapter = nonebot.get_adapter("OneBot V11")
        adapter.bot_disconnect(nonebot.get_bot("1"))


async def test_websocket(app: App) -> None:
    headers = {**HEADERS, "Authorization": "Bearer a token"}
    async with app.test_server() as ctx:
        client = ctx.get_client()
        async with client.websocket_connect("/onebot/v11/ws", headers=headers) as ws:
            await ws.send_json(event("/echo 你好"))
            call = json.loads(await ws.receive_text())
            assert call["action"] == "send_msg"
            assert call["params"]["message"][0]["data"]["text"].strip() == "你好"
            await ws.send_json({"status": "ok", "retcode": 0, "data": {}, "echo": call["echo"]})
            assert "1" in nonebot.get_bots()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if "1" not in nonebot.get_bots():
                break
        assert "1" not in nonebot.get_bots()


async def test_refused_websocket(app: App) -> None:
    async with app.test_server() as ctx:
        with pytest.raises(AssertionError):
            async with ctx.get_client().websocket_connect("/onebot/v11/ws", headers=HEADERS):
                raise RuntimeError("unreachable")
        assert nonebot.get_bots() == {}


async def test_route_of_a_test(app: App) -> None:
    async def handle(request: Request) -> Response:
        return Response(201, content=json.dumps([request.url.path, request.json]))

    setup = HTTPServerSetup(URL("/mine"), "PUT", "mine", handle)
    nonebot.get_driver().setup_http_server(setup)  # type: ignore[attr-defined]
    async with app.test_server() as ctx:
        response = await ctx.get_client().put("/mine", json={"a": 1})
        assert (response.status_code, response.json()) == (201, ["/mine", {"a": 1}])
