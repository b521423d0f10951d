"""Fixtures that start nginx and bot processes, and end them with the test."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.nginx.page import write_files
from tests.nginx.processes import NGINX, BotProcess, Nginx, free_ports
from tests.nginx.site import Backends, Site
from tests.support import absent

NEEDED = ("nonebot2", "nonebot-adapter-onebot", "pydantic-settings")
"""Distributions that only the environment ``nginx`` has all of."""


def _reason() -> str:
    """Tell why the tests cannot run here; empty if they can."""
    if NGINX is None:
        return "nginx is not installed"
    missed = absent.missing(*NEEDED)
    return absent.not_installed(missed) if missed else ""


_REASON = _reason()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out everything where something is missing."""
    if not _REASON:
        return None
    return absent.leave_out(config, collection_path, {"tests/nginx/test_*.py": _REASON})


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client without a limit of connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        yield client


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Give a function that writes the page's files and makes nginx and three processes."""
    sites: list[Site] = []

    def make(program: str = "bot.py", held: bool = True, **settings: str) -> Site:
        front, *ports = free_ports(4)
        write_files(tmp_path, front, ports)
        processes = [BotProcess(tmp_path, port, program, held, settings) for port in ports]
        sites.append(Site(Nginx(tmp_path, front), processes))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
async def make_backends(
    tmp_path: Path, client: aiohttp.ClientSession
) -> AsyncIterator[Callable[..., Backends]]:
    """Give a function that makes nginx with the page's files before servers that say their port."""
    made: list[Nginx] = []

    def make(ports: list[int], dead: tuple[int, ...] = (), **changes: str) -> Backends:
        folder = tmp_path / f"nginx{len(made)}"
        folder.mkdir()
        (front,) = free_ports(1)
        write_files(folder, front, ports[:3], **changes)
        if made:
            dead = tuple(ports)  # The first nginx has them.
        servers = [_server(port) for port in ports if port not in dead]
        configuration = folder / "nginx.conf"
        text = re.sub(r"^\}\n\Z", "".join(servers) + "}\n", configuration.read_text(), flags=re.M)
        configuration.write_text(text)
        made.append(Nginx(folder, front))
        return Backends(made[-1], client)

    yield make
    for nginx in made:
        nginx.stop()


def _server(port: int) -> str:
    return f'server {{ listen 127.0.0.1:{port}; access_log off; return 200 "{port}"; }}\n'
