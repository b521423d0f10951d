"""What the log says where an adapter of NoneBot refuses a request or a WebSocket."""

from contextlib import suppress

import aiohttp
import pytest

from ..support.process import Bot


@pytest.fixture
def ours(bot: Bot) -> Bot:
    """A bot of this driver; the stock ones log nothing."""
    if not bot.candidate.is_ours:
        pytest.skip("the stock drivers leave it to their server's access log")
    return bot


async def test_a_webhook_that_the_adapter_refuses(client: aiohttp.ClientSession, ours: Bot) -> None:
    async with client.post(ours.url("/denied"), data=b"x") as answer:
        assert answer.status == 403
    line = "Refused a webhook of POST /denied from 127.0.0.1 with 403: wrong token"
    assert (await ours.logged(line)).endswith(line)


@pytest.mark.parametrize(
    ("path", "why"), [("refuse", "not you"), ("return", "the adapter refused")]
)
async def test_a_websocket_that_the_adapter_refuses(
    client: aiohttp.ClientSession, ours: Bot, path: str, why: str
) -> None:
    with suppress(aiohttp.WSServerHandshakeError):
        await client.ws_connect(ours.ws_url(f"/ws/{path}"))
    line = f"Refused a WebSocket of /ws/{path} from 127.0.0.1 with 403: {why}"
    assert (await ours.logged(line)).endswith(line)


async def test_a_path_that_no_route_has(client: aiohttp.ClientSession, ours: Bot) -> None:
    async with client.get(ours.url("/wss")) as answer:
        assert answer.status == 404
    async with client.post(ours.url("/v11/denied")) as answer:
        assert answer.status == 404
    with suppress(aiohttp.WSServerHandshakeError):
        await client.ws_connect(ours.ws_url("/ws"))
    for line in (
        "Refused a request from 127.0.0.1 with 404: not found: /wss",
        "Refused a request of denied from 127.0.0.1 with 404: not found: /v11/denied; the platform"
        " has to use /denied",
        "Refused a WebSocket of ws from 127.0.0.1 with 404: not found: /ws; the platform has to use"
        " /ws/",
    ):
        await ours.logged(line)
