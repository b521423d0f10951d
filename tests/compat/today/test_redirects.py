"""The target of a redirect is requested as it stands: its query may be signed."""

from typing import Any

import pytest
from aiohttp import web
from nonebot.drivers import Request

from ..support.recorder import Recorder

pytestmark = pytest.mark.stock_is_wrong("~aiohttp", "aiohttp quotes it anew")

LOCATIONS = [
    ("/to?sig=a%2Fb%3D%3d&x=%7E%e4", "/to?sig=a%2Fb%3D%3d&x=%7E%e4"),
    ("?sig=a%2Fb", "/from?sig=a%2Fb"),
    ("/é?x=你#fragment", "/%C3%A9?x=%E4%BD%A0"),
]


def redirect(recorder: Recorder, location: str) -> None:
    @recorder.answer("/from")
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query_string:
            return web.Response()
        return web.Response(status=302, headers={"Location": location})


@pytest.mark.parametrize(("location", "target"), LOCATIONS)
async def test_as_it_stands(driver: Any, recorder: Recorder, location: str, target: str) -> None:
    redirect(recorder, location)
    await driver.request(Request("GET", recorder.url("/from")))
    assert recorder.last.target == target
    redirect(recorder, recorder.url() + location.lstrip("/") if location[0] == "/" else location)
    async with driver.get_session() as session:
        await session.request(Request("GET", recorder.url("/from")))
    assert recorder.last.target == target


async def test_of_a_handshake(driver: Any, recorder: Recorder, echoing: str) -> None:
    redirect(recorder, "/echo?sig=a%2Fb")
    async with driver.websocket(Request("GET", recorder.url("/from", scheme="ws"))):
        assert recorder.last.target == "/echo?sig=a%2Fb"


async def test_the_target_of_a_request_is_left_alone(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url("/a%2Fb?sig=%2B%3D")))
    assert recorder.last.target == "/a%2Fb?sig=%2B%3D"
