"""A driver served in the test's own loop, and what fails when something is left behind."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from loguru import logger

from nonebot_aiohttp import Bot, Driver, StartupError
from nonebot_aiohttp.testing import Close, NothingCame, Platform
from nonebot_aiohttp.testing.bots.base import BadEnd, LeftBehind
from nonebot_aiohttp.testing.bots.hooks import restored_hooks
from nonebot_aiohttp.testing.bots.served import Served
from nonebot_aiohttp.testing.common.timeline import BOT, timeline
from tests.support.bots import Adapter, make_driver, new_adapter
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops


@pytest.fixture
def adapter() -> Adapter:
    """Give an adapter that nobody has used."""
    return new_adapter()


@pytest.fixture
def driver(adapter: Adapter) -> Driver:
    """Give a driver that has that adapter."""
    return make_driver(adapter)


async def test_a_platform_reaches_it_both_ways(driver: Driver) -> None:
    async with Served(driver) as bot, Platform() as platform:
        answer = await platform.post(bot.url("/recorder/"), headers={"X-Self-ID": "1"}, body=b"one")
        assert answer.status == 200
        connection = await platform.connect(bot.ws_url("/recorder/ws"), headers={"X-Self-ID": "2"})
        await bot.logged("Bot 2 of recorder connected")
        assert set(bot.driver.bots) == {"2"}
        await connection.close(1000)
    assert bot.port > 0


async def test_it_is_stopped_at_the_end(driver: Driver) -> None:
    ended: list[str] = []
    driver.on_shutdown(lambda: ended.append("shut down"))
    async with Served(driver) as bot:
        assert not ended
    assert ended
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as session:
            await session.get(bot.url())


async def test_it_can_be_stopped_within_the_block(driver: Driver) -> None:
    async with Served(driver) as bot:
        await bot.stop()
        await bot.stop()
        with pytest.raises(AssertionError, match="cannot come: the driver has ended"):
            await bot.logged("anything")


# The log


async def test_the_log_has_the_records_of_this_time_alone(driver: Driver) -> None:
    logger.info("before")
    async with Served(driver) as bot:
        logger.info("two\nlines")
        assert await bot.logged("two") == f"INFO {__name__}: two"
        assert "lines" in bot.log
    logger.info("after")
    assert not [line for line in bot.log if "before" in line or "after" in line]


async def test_the_log_stands_on_the_timeline(driver: Driver) -> None:
    timeline.clear()
    async with Served(driver):
        logger.info("seen")
    assert f"INFO {__name__}: seen" in [e.text for e in timeline.events if e.side == BOT]


async def test_a_wait_for_what_never_comes_ends_with_the_end_of_the_driver(driver: Driver) -> None:
    async with Served(driver) as bot:
        waiting = asyncio.ensure_future(bot.logged("never"))
        await asyncio.sleep(0)
        driver.exit()
        with pytest.raises(AssertionError, match="'never' cannot come: the driver has ended"):
            await within(waiting)
        await bot.ended()


async def test_a_test_may_remove_all_sinks(driver: Driver, logs: Logs) -> None:
    async with Served(driver) as bot:
        logger.remove(bot._sink)


# Starts and stops that fail


async def test_a_start_that_fails_raises_its_error_and_leaves_nothing(driver: Driver) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    driver.on_startup(fail)
    sinks = repr(logger)
    with pytest.raises(StartupError):
        await Served(driver).__aenter__()
    assert repr(logger) == sinks


class Odd:
    """A driver that does what no driver should."""

    def __init__(self, *, begins: bool = True, ends: Any = None) -> None:
        """Begin or not, and end by an event, an error, or at once."""
        self.begins = begins
        self.ends = ends

    async def serve(self, host: str, port: int, *, started: Callable[[list[Any]], Any]) -> None:
        """Serve nothing."""
        if self.begins:
            started([(host, 1)])
        if isinstance(self.ends, asyncio.Event):
            await self.ends.wait()
        if isinstance(self.ends, Exception):
            raise self.ends

    def exit(self) -> None:
        """Go on."""


@pytest.mark.parametrize(
    ("odd", "error", "text"),
    [
        (lambda: Odd(begins=False), BadEnd, "has ended before the driver has started"),
        (lambda: Odd(begins=False, ends=asyncio.Event()), NothingCame, "the start of the driver"),
        (lambda: Odd(begins=False, ends=ZeroDivisionError("odd")), ZeroDivisionError, "odd"),
        (lambda: Odd(), BadEnd, "the driver had ended by itself"),
        (lambda: Odd(ends=ZeroDivisionError("odd")), ZeroDivisionError, "odd"),
        (lambda: Odd(ends=asyncio.Event()), BadEnd, r"had not stopped 0\.01 s after exit"),
    ],
)
async def test_a_driver_that_does_not_start_or_stop_fails(
    odd: Callable[[], Odd], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        async with Served(odd(), deadline=0.01):
            await asyncio.sleep(0)


async def test_an_end_that_is_awaited_is_no_failure() -> None:
    async with Served(Odd()) as bot:
        await bot.ended()
    ends = asyncio.Event()
    async with Served(Odd(ends=ends)) as bot:
        with pytest.raises(NothingCame, match=r"the end of the driver did not come within 0\.01 s"):
            await bot.ended(deadline=0.01)
        ends.set()
        await bot.ended()


async def test_an_error_of_the_block_is_what_fails_the_test() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Served(Odd(ends=asyncio.Event()), deadline=0.01):
            raise ZeroDivisionError


# What is left behind


class Leak:
    """Leaves one thing behind, and clears it away when the test has seen that it was found."""

    async def make(self) -> None:
        """Leave it behind."""

    async def clear(self) -> None:
        """Clear it away."""


class LeftTask(Leak):
    text = r"a task that still runs: .*, coroutine Event\.wait"

    async def make(self) -> None:
        self.task = asyncio.ensure_future(asyncio.Event().wait())

    async def clear(self) -> None:
        self.task.cancel()


class LeftSession(Leak):
    text = r"an aiohttp\.ClientSession that nobody has closed"

    async def make(self) -> None:
        self.session = aiohttp.ClientSession()

    async def clear(self) -> None:
        await self.session.close()


class LeftConnector(Leak):
    text = r"an aiohttp\.TCPConnector that nobody has closed"

    async def make(self) -> None:
        self.connector = aiohttp.TCPConnector()

    async def clear(self) -> None:
        await self.connector.close()


class LeftListener(Leak):
    text = r"an open socket at 127\.0\.0\.1:\d+$"

    async def make(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))

    async def clear(self) -> None:
        self.listening.close()


class LeftSignal(Leak):
    text = "the handler of <Signals.SIGINT: 2> changed from "

    async def make(self) -> None:
        self.before = signal.signal(signal.SIGINT, lambda *_: None)

    async def clear(self) -> None:
        signal.signal(signal.SIGINT, self.before)


class LeftHook(Leak):
    text = (
        r"a hook that nobody has removed: on_calling_api of nonebot_aiohttp\.adapters\.Bot: .*_hook"
    )

    async def make(self) -> None:
        Bot.on_calling_api(_hook)

    async def clear(self) -> None:
        assert _hook not in Bot._calling_api_hook


async def _hook(*_: Any) -> None: ...


LEAKS = [LeftTask, LeftSession, LeftConnector, LeftListener, LeftSignal, LeftHook]


@pytest.mark.parametrize("kind", LEAKS)
async def test_what_is_left_behind_fails(
    driver: Driver, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.testing.bots.leaks.MOMENT", 0.0)
    leak = kind()
    served = Served(driver)
    await served.__aenter__()
    await leak.make()
    with pytest.raises(LeftBehind, match=f"(?m){kind.text}") as raised:
        await served.__aexit__(None, None, None)
    assert str(raised.value).count("\n- ") == 1
    await leak.clear()


@pytest.mark.parametrize("kind", [LeftTask, LeftSession])
async def test_nothing_is_checked_where_that_is_wanted(driver: Driver, kind: Any) -> None:
    leak = kind()
    async with Served(driver, check_leaks=False):
        await leak.make()
    await leak.clear()


@pytest.mark.parametrize("kind", LEAKS[:-1])
async def test_what_was_there_before_is_no_leak(driver: Driver, kind: Any) -> None:
    leak = kind()
    await leak.make()
    async with Served(driver):
        pass
    await leak.clear()


async def test_what_ends_within_a_moment_is_no_leak(driver: Driver) -> None:
    loop = asyncio.get_running_loop()
    async with Served(driver):
        event = asyncio.Event()
        task = asyncio.ensure_future(event.wait())
        loop.call_later(0.05, event.set)
    assert task.done()


async def test_a_hook_that_is_restored_elsewhere_is_no_leak(driver: Driver) -> None:
    with restored_hooks():
        async with Served(driver):
            Bot.on_calling_api(_hook)
        assert _hook in Bot._calling_api_hook
    assert _hook not in Bot._calling_api_hook


async def test_a_connection_of_the_bot_to_the_platform_is_a_leak(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.testing.bots.leaks.MOMENT", 0.0)
    with Platform(allow_unexpected=True) as platform:
        served = Served(driver)
        await served.__aenter__()
        _, writer = await asyncio.open_connection("127.0.0.1", platform.port)
        text = rf"an open socket at 127\.0\.0\.1:\d+, connected to 127\.0\.0\.1:{platform.port}\n"
        with pytest.raises(LeftBehind, match=text) as raised:
            await served.__aexit__(None, None, None)
        assert str(raised.value).count("\n- ") == 1
        writer.close()
        await writer.wait_closed()


async def test_a_platform_that_goes_on_is_no_leak(driver: Driver) -> None:
    """It has sockets and a session in the same process, whose number changes all the time."""
    platform = Platform()
    platform.on("GET", "/x").reply(json=1)
    platform.websocket("/ws")
    async with aiohttp.ClientSession() as outside:
        async with Served(driver) as bot:
            platform.__enter__()
            await outside.ws_connect(platform.ws_url + "/ws")
            async with outside.get(platform.url + "/x") as response:
                assert response.status == 200
            await platform.post(bot.url("/recorder/"), headers={"X-Self-ID": "1"}, body=b"one")
            await platform.connect(bot.ws_url("/recorder/ws"), headers={"X-Self-ID": "2"})
            await outside.close()
        await platform.stop()
        async with Served(make_driver()):
            await platform.start()
        platform.__exit__(None, None, None)


async def test_a_fault_of_the_platform_ends_a_bot_without_a_leak(driver: Driver) -> None:
    async with Platform() as platform, Served(driver) as bot:
        connection = await platform.connect(bot.ws_url("/recorder/ws"), headers={"X-Self-ID": "2"})
        await bot.logged("Bot 2 of recorder connected")
        await connection.fail(Close(4000))
        await eventually(lambda: not driver.bots)
