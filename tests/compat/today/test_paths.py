"""Where paths lead that are encoded in an odd way, or whose route was added later."""

from typing import Any

import aiohttp
import nonebot.log
import pytest
from nonebot.drivers import URL, HTTPServerSetup, Request, Response, WebSocket, WebSocketServerSetup

from tests.support.hosts import Host, own_process

from ..support import inprocess
from ..support.choice import OURS, Candidate


def make_driver() -> Any:
    return inprocess.make_driver(Candidate(OURS), host="127.0.0.1")


def add(driver: Any, path: str) -> None:
    """Add a route that answers with its own path."""

    async def handle(_: Request) -> Response:
        return Response(200, content=path)

    # URL() would encode the braces of a parameter.
    driver.setup_http_server(
        HTTPServerSetup(URL.build(path=path, encoded=True), "POST", path, handle)
    )


async def answered(host: Host, path: str) -> str:
    """Post to a path, and return the body of the answer, or the status of a refusal."""
    response = await host.request("POST", path)
    return response.body.decode() if response.status == 200 else str(response.status)


async def test_an_encoded_slash_is_for_parameters_of_paths_only() -> None:
    driver = make_driver()
    for path in ("/files/{x:path}", "/plain/http"):
        add(driver, path)
    async with own_process(driver) as host:
        for _ in range(2):
            assert await answered(host, "/files/a%2Fb") == "/files/{x:path}"
            assert await answered(host, "/plain%2Fhttp") == "404"
            assert await answered(host, "/plain/http") == "/plain/http"


async def test_what_was_asked_for_before_tells_nothing_of_other_paths() -> None:
    driver = make_driver()
    for path in ("/aA", "/{x}"):
        add(driver, path)
    async with own_process(driver) as host:
        assert await answered(host, "/a%2541") == "/{x}"
        assert await answered(host, "/a%41") == "/aA"


async def test_a_route_that_comes_later_is_found() -> None:
    driver = make_driver()
    add(driver, "/a")
    async with own_process(driver) as host:
        for _ in range(2):
            assert await answered(host, "/a/") == "/a"
        add(driver, "/a/")
        for _ in range(2):
            assert await answered(host, "/a/") == "/a/"


@pytest.mark.parametrize("path", ["", "here", "{name}/here"])
def test_a_path_without_its_slash_is_not_an_error(server_driver: Candidate, path: str) -> None:
    """The adapter for Minecraft has such a path."""
    handle: Any = None
    driver = inprocess.make_driver(server_driver)
    driver.setup_http_server(HTTPServerSetup(URL(path), "GET", "my hook", handle))
    driver.setup_websocket_server(WebSocketServerSetup(URL(path), "my socket", handle))


async def test_a_path_without_its_slash_is_served_as_with_it() -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send(await websocket.receive())

    lines: list[str] = []
    sink = nonebot.log.logger.add(lines.append, level="WARNING", format="{message}")
    try:
        driver = make_driver()
        add(driver, "hook/{name}")
        driver.setup_websocket_server(WebSocketServerSetup(URL("here/ws"), "my socket", echo))
    finally:
        nonebot.log.logger.remove(sink)
    expected = "The path 'here/ws' of the setup 'my socket' has no leading slash"
    assert expected in lines[-1]
    assert [line.count("/hook/{name}") for line in lines] == [1, 0]
    async with own_process(driver) as host:
        for _ in range(2):
            assert await answered(host, "/hook/a") == "hook/{name}"
        url = f"ws://127.0.0.1:{host.port}/here/ws"
        async with aiohttp.ClientSession() as client, client.ws_connect(url) as ws:
            await ws.send_str("echo")
            assert await ws.receive_str(timeout=5) == "echo"


def test_a_parameter_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\{x:nothing\} has an unknown convertor"):
        add(make_driver(), "/files/{x:nothing}")
