"""What becomes of a bot's webhooks while its process is down."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import pytest

from tests.nginx.page import process_of
from tests.nginx.processes import free_ports
from tests.nginx.site import Backends, Site

BOTS = range(10_001, 10_031)


@pytest.mark.promise("several processes: no other process takes over the webhooks of one")
async def test_webhooks_of_a_process_that_is_down_get_502_and_go_nowhere_else(
    make_site: Callable[..., Site], client: aiohttp.ClientSession
) -> None:
    site = make_site(held=False)
    await site.start()
    names = {str(bot): str(await site.post(client, str(bot), "before")) for bot in BOTS}
    assert set(names.values()) == {"204"}
    down = site.processes[0]
    await down.stop()
    for bot, places in site.places().items():
        for _ in range(3):
            status = await site.post(client, bot, "meanwhile")
            assert status == (502 if places == {down.port} else 204)
    down.start()
    await down.started()
    for bot in names:
        assert await site.post(client, bot, "after") == 204
    await site.stop()
    assert {len(places) for places in site.places().values()} == {1}
    assert "meanwhile" not in down.log


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("proxy_next_upstream off;", "", "moved"),
        (" max_fails=0;", ";", "502"),
    ],
    ids=["next upstream", "max fails"],
)
async def test_without_either_line_a_bots_webhooks_move(
    make_backends: Callable[..., Backends], old: str, new: str, first: str
) -> None:
    """By its own defaults nginx asks another process, at once or after a failure."""
    ports = free_ports(3)
    names = [f"127.0.0.1:{port}" for port in ports]
    bot = next(str(bot) for bot in BOTS if process_of(str(bot), names) == names[0])
    backends = make_backends(ports, dead=(ports[0],), old=old, new=new)
    await backends.nginx.started()
    answers = [await backends.ask(X_Self_ID=bot) for _ in range(3)]
    moved = str(ports[1]), str(ports[2])
    assert (answers[0] in moved) == (first == "moved")
    assert answers[1] in moved


async def test_with_both_lines_they_do_not(make_backends: Callable[..., Backends]) -> None:
    ports = free_ports(3)
    names = [f"127.0.0.1:{port}" for port in ports]
    backends = make_backends(ports, dead=(ports[0],))
    await backends.nginx.started()
    for bot in map(str, BOTS):
        place = process_of(bot, names)[10:]
        expected = "502" if place == str(ports[0]) else place
        assert [await backends.ask(X_Self_ID=bot) for _ in range(3)] == [expected] * 3
