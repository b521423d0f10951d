"""The extra fields of records under NoneBot2: which adapter, which bot and which peer."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from nonebot.adapters import Adapter, Bot
from nonebot.drivers import URL, HTTPServerSetup, Request, Response, WebSocket, WebSocketServerSetup

from nonebot_aiohttp.log.own import logger
from nonebot_aiohttp.nonebot2.routes import adapter_of
from tests.support.hosts import Host, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually

from ..support import inprocess
from ..support.choice import OURS, Candidate

ADAPTER = {"adapter": "OneBot V11"}
PEER = {"peer": "127.0.0.1"}


class SmallAdapter(Adapter):
    """An adapter whose routes have names of their own, as those of OneBot's have."""

    @classmethod
    def get_name(cls) -> str:
        return "OneBot V11"

    def set_up(self) -> None:
        """Set up a webhook and a WebSocket."""
        for path in ("/v11/fail", "/v11/deny", "/v11/odd"):
            name, url = f"OneBot V11 {path}", URL(path)
            self.setup_http_server(HTTPServerSetup(url, "POST", name, self._handle))
        self.setup_websocket_server(
            WebSocketServerSetup(URL("/v11/ws"), "OneBot V11 WS", self._handle_ws)
        )

    async def _handle(self, request: Request) -> Response:
        if request.url.path == "/v11/fail":
            raise ValueError("wrong")
        headers = {"a": "b\n"} if request.url.path == "/v11/odd" else {}
        return Response(403, content="wrong token", headers=headers)

    async def _handle_ws(self, websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("wrong")

    async def _call_api(self, bot: Bot, api: str, **data: Any) -> Any:
        """Call nothing."""


def make_driver(**settings: Any) -> Any:
    """Make a driver of this package with the routes of an adapter."""
    driver = inprocess.make_driver(Candidate(OURS), host="127.0.0.1", **settings)
    SmallAdapter(driver).set_up()
    return driver


async def upgrade(host: Host, path: str) -> None:
    async with await host.client() as client:
        await host.upgrade(client, target=path)


async def test_routes_name_the_adapter_and_not_themselves(logs: Logs) -> None:
    async with own_process(make_driver()) as host:
        for path in ("/v11/fail", "/v11/fail", "/v11/deny", "/v11/odd", "/v11/other", "/other"):
            await host.request("POST", path)
        await upgrade(host, "/v11/ws")
        await eventually(lambda: logs.matching("OneBot V11 WS"))
    assert logs.about("The handle function of OneBot V11 /v11/fail failed") == [ADAPTER] * 2
    assert len(logs.matching("more time(s)")) == 1
    assert logs.about("The handle function of OneBot V11 WS failed") == [ADAPTER]
    assert logs.about("with 403: wrong token") == [ADAPTER | PEER]
    assert logs.about("cannot be sent") == [ADAPTER | PEER]
    assert logs.about("the platform has to use") == [ADAPTER | PEER]
    assert logs.about("not found: /other") == [PEER]


async def test_what_the_stop_cuts_off(logs: Logs) -> None:
    driver = make_driver(aiohttp_drain_timeout=0.1, aiohttp_close_timeout=0.1)
    begun = asyncio.Event()

    class SmallBot(Bot):
        async def handle_event(self, event: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
            """Send nothing."""

    bot = SmallBot(SmallAdapter(driver), "7")
    async with driver.lifespan():
        handling = asyncio.create_task(bot.handle_event(None))
        await begun.wait()
    assert handling.cancelled()
    assert logs.about("Cut off 1 event(s) of bot 7 of OneBot V11") == [{**ADAPTER, "bot": "7"}]


async def test_a_request_that_the_stop_cuts_off(logs: Logs) -> None:
    driver, begun = make_driver(aiohttp_drain_timeout=0, aiohttp_close_timeout=0.1), asyncio.Event()

    async def hang(self: Adapter, request: Request) -> Response:
        begun.set()
        await asyncio.Event().wait()
        return Response(200)

    handle = hang.__get__(SmallAdapter(driver))
    driver.setup_http_server(HTTPServerSetup(URL("/hang"), "POST", "the route", handle))
    async with own_process(driver) as host:
        asking = asyncio.create_task(host.request("POST", "/hang"))
        await begun.wait()
    await asyncio.gather(asking, return_exceptions=True)
    assert logs.about("Cut off 1 HTTP handler(s) of the route") == [ADAPTER]


@pytest.mark.parametrize("wraps", [False, True])
def test_the_adapter_of_a_setup(wraps: bool) -> None:
    driver = inprocess.make_driver(Candidate(OURS))
    bound: Any = SmallAdapter(driver)._handle
    handle = partial(bound) if wraps else bound
    assert adapter_of(HTTPServerSetup(URL("/"), "POST", "name", handle)) == "OneBot V11"

    async def function(request: Request) -> Response:
        return Response(200)

    # Without an adapter the setup's own name has to do.
    assert adapter_of(HTTPServerSetup(URL("/"), "POST", "name", function)) == "name"


def test_a_route_without_a_slash(logs: Logs) -> None:
    driver = inprocess.make_driver(Candidate(OURS))
    url = URL.build(path="slash", encoded=True)
    handle: Any = SmallAdapter(driver)._handle
    driver.setup_http_server(HTTPServerSetup(url, "POST", "name", handle))
    assert logs.about("no leading slash") == [ADAPTER]
    assert logger.recent[-1].adapter == "OneBot V11"
