"""Which process has which bot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import aiohttp
import pytest

from tests.nginx.page import process_of
from tests.nginx.processes import free_ports
from tests.nginx.site import Backends, Site
from tests.support.waiting import within

BOTS = range(10_001, 10_031)
MANY = range(10_001, 10_201)
HASH = "hash $bot_key consistent;"


def servers(ports: list[int]) -> list[str]:
    return [f"127.0.0.1:{port}" for port in ports]


@pytest.mark.promise("several processes: webhooks and reverse WebSocket of a bot meet in one")
async def test_webhooks_and_the_websocket_of_a_bot_meet(
    make_site: Callable[..., Site], client: aiohttp.ClientSession
) -> None:
    site = make_site()
    await site.start()
    for bot in map(str, BOTS):
        url, headers = site.url("/my/ws", "ws"), {"X-Self-ID": bot}
        async with client.ws_connect(url, headers=headers) as websocket:
            assert await site.post(client, bot, "ping") == 204
            # The answer to the webhook comes over the WebSocket.
            assert await within(websocket.receive_json()) == {"api": "send", "text": "pong"}
            await websocket.send_json({"text": "ping"})
            assert await within(websocket.receive_json()) == {"api": "send", "text": "pong"}
    names = servers([process.port for process in site.processes])
    expected = {str(bot): {int(process_of(str(bot), names)[10:])} for bot in BOTS}
    assert site.places() == expected
    await site.stop()


PATHS = ("/my/", "/my", "/my/http", "/onebot/v11/", "/onebot/v11/ws")


@pytest.mark.parametrize(
    ("header", "paths"),
    [
        ("X_Self_ID", PATHS),
        ("X_Bot_Appid", ("/qq/webhook",)),
        ("X_Telegram_Bot_Api_Secret_Token", ("/telegram",)),
        (None, ("/feishu/{bot}",)),
        (None, ("/github/webhooks/{bot}",)),
        (None, ("/onebot/v12/?bot={bot}", "/onebot/v12/ws?bot={bot}", "/milky/?a=b&bot={bot}")),
    ],
    ids=["OneBot 11", "QQ", "Telegram", "Feishu", "GitHub", "by query"],
)
async def test_each_adapters_bots_are_spread(
    make_backends: Callable[..., Backends], header: str | None, paths: tuple[str, ...]
) -> None:
    ports = free_ports(3)
    backends, names = make_backends(ports), servers(ports)
    await backends.nginx.started()
    seen = set()
    for bot in map(str, BOTS):
        headers = {header: bot} if header else {}
        expected = process_of(bot, names)
        for path in paths:
            for method in ("POST", "GET"):
                place = await backends.ask(path.format(bot=bot), method, **headers)
                assert f"127.0.0.1:{place}" == expected
        seen.add(expected)
    assert seen == set(names)


async def test_an_adapter_that_names_no_bot_is_in_one_process(
    make_backends: Callable[..., Backends],
) -> None:
    ports = free_ports(3)
    backends, names = make_backends(ports), servers(ports)
    await backends.nginx.started()
    for path, key in (("/milky/", "milky"), ("/my/http", "my"), ("/a%20b/", "a"), ("/", "none")):
        places = {await backends.ask(path) for _ in range(6)}
        assert places == {process_of(key, names)[10:]}


async def test_nginx_takes_the_processes_in_turn_where_a_key_is_empty(
    make_backends: Callable[..., Backends],
) -> None:
    """Therefore the page's map ends with the adapter's name."""
    ports = free_ports(3)
    backends = make_backends(ports, old=HASH, new="hash $http_x_self_id consistent;")
    await backends.nginx.started()
    assert Counter([await backends.ask() for _ in range(6)]) == {str(port): 2 for port in ports}


async def test_two_machines_agree_if_they_write_the_servers_alike(
    make_backends: Callable[..., Backends],
) -> None:
    ports = free_ports(3)
    here = await make_backends(ports).places(MANY)
    assert here == [process_of(str(bot), servers(ports))[10:] for bot in MANY]
    # The order does not matter, but each spelling is another server.
    assert await make_backends(ports[::-1]).places(MANY) == here
    first = f"server 127.0.0.1:{8081}"
    other = make_backends(ports, old=first, new=first.replace("127.0.0.1", "localhost"))
    assert await other.places(MANY) != here


@pytest.mark.parametrize(
    ("how", "fewest", "most"), [(HASH, 0.1, 0.4), ("hash $bot_key;", 0.6, 0.9)], ids=["", "without"]
)
async def test_a_fourth_process_moves_a_quarter_of_the_bots(
    make_backends: Callable[..., Backends], how: str, fewest: float, most: float
) -> None:
    ports = free_ports(4)
    three = await make_backends(ports, old=HASH, new=how).places(MANY)
    fourth = f"{how} server 127.0.0.1:{ports[3]} max_fails=0;"
    four = await make_backends(ports, old=HASH, new=fourth).places(MANY)
    moved = [new for old, new in zip(three, four, strict=True) if old != new]
    assert fewest < len(moved) / len(MANY) < most
    # With `consistent` all that move go to the new process.
    assert ({*moved} == {str(ports[3])}) == (how == HASH)
