"""Names of platforms: resolved as the system does, forgotten when they lead nowhere."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp.connections import resolver
from nonebot_aiohttp.connections.resolver import SystemResolver
from tests.support import scripts
from tests.support.pools import ask, opened
from tests.support.proxy import RecordingProxy
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

NAME = "platform.example"


class System:
    """Stands for the system's names; those in `hangs` are answered when `answer` is set."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.asked: list[str] = []
        self.hangs: set[str] = set()
        self.answer = threading.Event()

    def getaddrinfo(self, host: str, *rest: Any, **more: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host in self.hangs:
            assert self.answer.wait(10)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = self.addresses[host]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        where = (address, 0, 0, 0) if ":" in address else (address, 0)
        return [(family, socket.SOCK_STREAM, 6, "", where)]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """Give a system that knows no names."""
    system = System()
    monkeypatch.setattr(socket, "getaddrinfo", system.getaddrinfo)
    yield system
    system.answer.set()


async def test_a_name_that_only_the_system_knows(system: System) -> None:
    """Trap: aiodns, which the extra `speedups` brings, asks DNS only."""
    system.addresses = {"nas.local": "127.0.0.1"}
    async with opened() as pool, ScriptedServer(scripts.status(200, b"answer")) as server:
        for _ in range(2):
            assert await ask(pool, f"http://nas.local:{server.port}") == b"answer"
    # Once for both.
    assert system.asked == ["nas.local"]


async def test_the_systems_own_names_resolve() -> None:
    """Through the real system: `localhost` stands in its own file."""
    found = await SystemResolver().resolve("localhost", 80, socket.AF_UNSPEC)
    assert {each["host"] for each in found} <= {"127.0.0.1", "::1"}
    assert all(each["hostname"] == "localhost" and each["port"] == 80 for each in found)


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_name_that_has_moved_is_found_at_the_next_attempt(
    system: System, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.addresses = {NAME: "127.0.0.9"}
    async with (
        ScriptedServer(scripts.status(200, b"answer")) as server,
        RecordingProxy() as proxy,
    ):
        settings = {"proxy": f"http://{NAME}:{proxy.port}"} if proxied else {}
        url = f"http://127.0.0.1:{server.port}" if proxied else f"http://{NAME}:{server.port}"
        async with opened(**settings) as pool:
            with pytest.raises(aiohttp.ClientConnectorError):
                await ask(pool, url)
            system.addresses = {NAME: "127.0.0.1"}
            assert await ask(pool, url) == b"answer"


async def test_one_that_has_moved_is_found_after_a_timeout_too(system: System) -> None:
    system.addresses = {NAME: "192.0.2.1"}
    async with opened() as pool, ScriptedServer(scripts.status(200, b"answer")) as server:
        url = f"http://{NAME}:{server.port}"
        # Addresses of documentation (RFC 5737) lead nowhere: the system refuses, or waits.
        with pytest.raises((aiohttp.ClientError, asyncio.TimeoutError)):
            await ask(pool, url, timeout=aiohttp.ClientTimeout(total=0.2))
        system.addresses = {NAME: "127.0.0.1"}
        assert await ask(pool, url) == b"answer"


async def test_names_do_not_wait_for_one_that_hangs(system: System) -> None:
    """Trap: Python's pool of threads has a few that all share."""
    system.addresses = {NAME: "127.0.0.1"}
    hanging = [f"{number}.example" for number in range(40)]
    system.hangs = set(hanging)
    names = SystemResolver()
    waiting = [asyncio.ensure_future(names.resolve(each)) for each in hanging]
    await eventually(lambda: len(system.asked) == 40)
    assert (await names.resolve(NAME, 1))[0]["host"] == "127.0.0.1"
    # Others of the process have their threads.
    assert await asyncio.get_running_loop().run_in_executor(None, lambda: "thread") == "thread"
    system.answer.set()
    for each in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(each, OSError)


async def test_a_name_that_hangs_is_asked_for_once_at_a_time(system: System) -> None:
    """A loop that tries again and again does not collect threads."""
    system.addresses, system.hangs = {NAME: "127.0.0.1"}, {NAME}
    names = SystemResolver()
    for _ in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(names.resolve(NAME), 0.01)
    last = asyncio.ensure_future(names.resolve(NAME))
    await asyncio.sleep(0)
    system.answer.set()
    assert (await last)[0]["host"] == "127.0.0.1"
    assert system.asked == [NAME]
    # What was found is not kept here.
    await names.resolve(NAME)
    assert system.asked == [NAME, NAME]


async def test_look_ups_are_bounded(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MAX_LOOKUPS", 2)
    system.hangs = {"a.example", "b.example"}
    names = SystemResolver()
    waiting = [asyncio.ensure_future(names.resolve(each)) for each in sorted(system.hangs)]
    await eventually(lambda: len(system.asked) == 2)
    with pytest.raises(OSError, match="too many names are being looked up"):
        await names.resolve(NAME)
    system.answer.set()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("host", ["unknown.example", "a" * 64 + ".example", "..example"])
async def test_an_invalid_name_is_an_error_of_aiohttp(host: str) -> None:
    async with opened() as pool:
        with pytest.raises(aiohttp.ClientError):
            await ask(pool, f"http://{host}:1/")


async def test_without_threads_there_is_an_error_and_no_look_up_that_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    names = SystemResolver()
    with monkeypatch.context() as patched:
        patched.setattr(threading, "Thread", NoThread)
        with pytest.raises(OSError, match="no name can be looked up: can't start new thread"):
            await names.resolve("localhost")
    assert await names.resolve("localhost")
    await names.close()


def test_a_look_up_outlives_its_event_loop_without_a_word(system: System) -> None:
    system.addresses, system.hangs = {NAME: "127.0.0.1"}, {NAME}

    async def begin() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(SystemResolver().resolve(NAME), 0.05)

    asyncio.run(begin())
    system.answer.set()
    for thread in threading.enumerate():
        if thread.name == f"resolving {NAME}":
            thread.join(10)
