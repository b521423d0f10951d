"""Tests of the webhooks that the kit's platform sends."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from nonebot_aiohttp.testing import NoAnswer, Platform

pytestmark = pytest.mark.both_loops


@pytest.fixture
async def hook() -> AsyncIterator[str]:
    """Serve a webhook that answers with what it has got; give its URL."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "method": request.method,
                "host": request.host,
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": (await request.read()).decode("latin-1"),
            },
            status=201,
            headers={"X-Answer": "yes"},
        )

    app = web.Application()
    app.router.add_route("*", "/hook", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


async def test_json(hook: str) -> None:
    async with Platform() as platform:
        answer = await platform.post(hook + "?a=1", json={"a": "é"}, headers={"X-B": "c"})
    assert answer.status == 201
    assert answer.headers["x-answer"] == "yes"
    assert answer.json["body"] == '{"a": "\\u00e9"}'
    assert answer.json["headers"]["content-type"] == "application/json"
    assert answer.json["headers"]["x-b"] == "c"
    assert answer.json["host"] == hook.split("/")[2]


async def test_a_form(hook: str) -> None:
    async with Platform() as platform:
        got = (await platform.post(hook, form={"a": "1 2", "b": "é"})).json
    assert got["body"] == "a=1+2&b=%C3%A9"
    assert got["headers"]["content-type"] == "application/x-www-form-urlencoded"


async def test_raw_bytes_with_a_type_and_a_method_of_their_own(hook: str) -> None:
    async with Platform() as platform:
        got = (
            await platform.post(
                hook, body=b"\x00\xff", headers={"Content-Type": "x/y"}, method="PUT"
            )
        ).json
    assert (got["method"], got["body"]) == ("PUT", "\x00\xff")
    assert got["headers"]["content-type"] == "x/y"


async def test_a_signature_of_the_bytes_that_are_sent(hook: str) -> None:
    def sign(body: bytes) -> dict[str, str]:
        return {"X-Signature": hmac.new(b"secret", body, hashlib.sha1).hexdigest()}

    async with Platform() as platform:
        got = (await platform.post(hook, json={"a": "é"}, sign=sign)).json
    assert got["headers"]["x-signature"] == sign(got["body"].encode("latin-1"))["X-Signature"]


async def test_one_body(hook: str) -> None:
    async with Platform() as platform:
        with pytest.raises(TypeError, match="one body"):
            await platform.post(hook, json={}, body=b"")


async def test_a_bot_without_an_answer() -> None:
    async with Platform() as platform:
        with pytest.raises(NoAnswer, match="had no answer"):
            await platform.post("http://127.0.0.1:1/hook", json={})
