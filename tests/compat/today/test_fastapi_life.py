"""The start and the stop of a bot with a FastAPI application, and its settings."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import eventually

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver, started
from ..support.process import Bot

OWN = Candidate(OURS)
ADVICE = "An ASGI server runs the bot"


async def test_steps(fastapi_driver: Candidate, tmp_path: Path) -> None:
    async with Bot("fastapi_bot", fastapi_driver, tmp_path, aiohttp_fastapi=True) as bot:
        await eventually(lambda: len(bot.all_told("step")) >= 2, what="the start")
        # A host that forwards no lifespan events is known by its first request.
        async with aiohttp.ClientSession() as client, client.get(bot.url("/nothing")) as response:
            assert response.status == 404
        await bot.stop()
    # Plugins wrap the middleware when the bot starts, so that it has to be there by then.
    assert (await bot.told("middleware"))["is_there"]
    steps = [entry["name"] for entry in bot.all_told("step")]
    assert sorted(steps) == ["router starts", "router stops", "shutdown", "startup"]
    assert set(steps[:2]) == {"startup", "router starts"}
    if fastapi_driver.is_ours:
        # Plugins add to the application in startup functions.
        assert steps == ["startup", "router starts", "router stops", "shutdown"]
        is_guest = fastapi_driver.host in ("uvicorn", "hypercorn", "Starlette", "uvicorn get_app")
        assert bot.text.count(ADVICE) == is_guest


async def test_a_failed_start(server_driver: Candidate, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"aiohttp_fastapi": True, "router_fails": True}
    with Bot("fastapi_bot", server_driver, tmp_path, wait=False, **settings) as bot:
        assert await bot.ended() != 0
        assert "this router always fails" in bot.text


SCHEMA = {
    "fastapi_openapi_url": "/schema.json",
    "fastapi_docs_url": "/manual",
    "fastapi_extra": {"title": "My bot"},
}


@pytest.mark.parametrize("lists", [True, False])
async def test_the_settings_of_nonebots_driver_count(
    server_driver: Candidate, tmp_path: Path, lists: bool
) -> None:
    settings: dict[str, Any] = {
        **SCHEMA,
        "aiohttp_fastapi": True,
        "fastapi_include_adapter_schema": lists,
    }
    async with (
        Bot("fastapi_bot", server_driver, tmp_path, **settings) as bot,
        aiohttp.ClientSession() as client,
    ):
        async with client.get(bot.url("/schema.json")) as answer:
            schema = await answer.json()
        async with client.get(bot.url("/manual")) as answer:
            assert "swagger" in await answer.text()
    assert schema["info"]["title"] == "My bot"
    assert ("post" in schema["paths"]["/hook"]) is lists


async def test_an_encoded_slash_reaches_nothing_of_an_adapters(tmp_path: Path) -> None:
    async with (
        Bot("server_bot", OWN, tmp_path, aiohttp_fastapi=True) as bot,
        aiohttp.ClientSession() as client,
    ):
        url = f"http://127.0.0.1:{bot.port}/late%2Fadded"
        async with client.get(bot.url("/late")) as answer:
            assert answer.status == 204
        from yarl import URL

        async with client.get(URL(url, encoded=True)) as answer:
            assert answer.status == 404
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(URL(f"http://127.0.0.1:{bot.port}/late%2Fws", encoded=True))
        assert refused.value.status == 403


_WORKER = ("-k", "uvicorn.workers.UvicornWorker", "-b", "127.0.0.1:{port}")
NB_DOCKER = Candidate(OURS, "uvicorn", server=("gunicorn", *_WORKER, "{program}:asgi"))
"""The command with which ``nb docker`` runs bots."""


async def test_a_guest_of_an_asgi_server_is_told_so_once(tmp_path: Path) -> None:
    async with Bot("fastapi_bot", NB_DOCKER, tmp_path, aiohttp_fastapi=True) as bot:
        bot.signal(signal.SIGTERM)
        await bot.ended()
    assert bot.text.count(ADVICE) == 1
    assert "python bot.py" in bot.text
    assert "aiohttp.GunicornWebWorker" in bot.text


async def test_a_test_client_gets_the_whole_bot() -> None:
    import httpx
    from nonebot.drivers import URL, HTTPServerSetup, Request, Response

    driver = make_driver(OWN, aiohttp_fastapi=True)

    async def hook(request: Request) -> Response:
        return Response(200, content="hook")

    driver.setup_http_server(HTTPServerSetup(URL("/hook"), "POST", "hook", hook))

    @driver.server_app.get("/page")  # type: ignore[untyped-decorator]
    async def page() -> str:
        return "page"

    async with started(driver):
        transport = httpx.ASGITransport(driver.server_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            assert (await client.post("/hook")).text == "hook"
            assert (await client.get("/page")).json() == "page"


WITHOUT = """
import sys
sys.modules["fastapi"] = None
import nonebot
nonebot.init(driver=sys.argv[1], aiohttp_fastapi=True)
"""


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, OURS]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    assert 'aiohttp_fastapi: needs FastAPI: pip install "nonebot-aiohttp[fastapi]"' in ran.stderr


USES: dict[str, Any] = {
    "get": lambda app: app.get("/x"),
    "get with more": lambda app: app.get("/x", response_model=None),
    "post": lambda app: app.post("/x"),
    "mount": lambda app: app.mount("/x", None),
    "include_router": lambda app: app.include_router(None),
    "api_route": lambda app: app.api_route("/x"),
    "websocket": lambda app: app.websocket("/x"),
    "state": lambda app: app.state.x,
}


@pytest.mark.parametrize("use", USES)
def test_without_the_setting_the_error_names_it(use: str) -> None:
    driver = make_driver(OWN)
    assert driver.server_app is driver.aiohttp_app
    with pytest.raises(AttributeError, match=r"AIOHTTP_FASTAPI=true.*nonebot-aiohttp\[fastapi\]"):
        USES[use](driver.server_app)
    with pytest.raises(AttributeError, match="AIOHTTP_FASTAPI=true"):
        USES[use](driver.asgi)


def test_with_the_setting_the_aiohttp_application_is_public() -> None:
    driver = make_driver(OWN, aiohttp_fastapi=True)
    assert isinstance(driver.aiohttp_app, aiohttp.web.Application)
    assert json.dumps([str(route) for route in driver.aiohttp_app.router.routes()]) == "[]"
