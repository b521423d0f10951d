"""``Suite``: what all suites share, and the tests of every way."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, ClassVar, TypeVar

import pytest

from ..bots.drivers import chosen_in, drivers_to_test
from ..bots.process import BotProcess
from ..common.journal import Journal, NothingCame, Reader
from ..common.timeline import timeline
from ..inside.echo import ADAPTER, echo_bot
from ..inside.hosting import Program
from ..platforms.messages import Received
from ..platforms.platform import Platform
from ..platforms.replies import Json
from ..platforms.seen import Call
from ..wire.faults import Fault, Hang, Status
from .ends import begin_to_stop, ended
from .rules import Known, check_filled_in, check_known, marks_of, needs

Message = Call | Received
"""An API call of the bot: over HTTP, or over a WebSocket."""

LARGE = 200_000
"""Characters of a text that every adapter has to take."""

HUGE = 5_000_000
"""Characters of a text that an adapter may refuse, but has to survive."""

TINY = (b"", b" ", b"{}", b"[]", b"null", b"0", b'""')
"""Messages with next to nothing in them."""

GARBAGE = (b"\xff\xfe\x00\x80", b"no JSON", b'{"a": ', b"[" * 2_000)
"""Messages that no platform means."""

RETRY_AFTER = 2
"""Seconds for which a platform that limits calls wants to be left alone."""

WRONG = "a wrong token"
"""What a stranger shows."""

IN_VAIN = 3.0
"""Seconds in which a bot reaches for a platform that is not there, if it logs nothing of that."""

PROBLEM = re.compile(r"\[(?:WARNING|ERROR|CRITICAL)\]")
"""What lines of NoneBot2's log with a problem have in them."""

ANSWERING = 1.0
"""Seconds for an answer for which a stop has to wait: long enough for a bot that does not."""

PAUSE = 0.25
"""Seconds after which a platform tries again."""

SLACK = 0.2
"""Seconds by which clocks and timers may differ."""

_S = TypeVar("_S", bound="Suite")
_F = TypeVar("_F", bound=Callable[..., Any])


def scenario(test: Callable[[_S], Awaitable[None]]) -> Callable[[_S, str], None]:
    """Make a test of an async method: each driver gets a platform, and an event loop of its own.

    The test is not async for pytest, so that it runs beside whatever plugin a project has.
    """

    def run(self: _S, driver: str) -> None:
        self.run(partial(test, self), driver)

    return _named(run, test)


def scenarios(
    cases: Mapping[str, Any],
) -> Callable[[Callable[[_S, Any], Awaitable[None]]], Callable[[_S, str, Any], None]]:
    """Make a test of each case of an async method, as `scenario` does; cases have names."""

    def decorate(test: Callable[[_S, Any], Awaitable[None]]) -> Callable[[_S, str, Any], None]:
        def run(self: _S, driver: str, case: Any) -> None:
            self.run(partial(test, self, case), driver)

        run.cases = cases  # type: ignore[attr-defined]
        return _named(run, test)

    return decorate


def _named(run: _F, test: Callable[..., Any]) -> _F:
    # Not functools.wraps, because pytest would look at the parameters of what is wrapped.
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(run, name, getattr(test, name))
    return run


class Suite(abc.ABC):
    """What an adapter has to do with its platform; subclasses are for each of the four ways.

    An author fills in the class attributes and the abstract methods.

    Attributes:
        adapter: The module of the adapter, whose class is called ``Adapter``.
        program: The bot, as `BotProcess` takes it, where `echo_bot` does not do. It has to answer
            as that does.
        drivers: The ``DRIVER`` lines to test; None is what ``--nonebot-drivers`` says, or else
            `drivers_to_test`.
        known: What is known to fail, by the names of tests; ``test_name[case]`` is one case.
        hosts: Hosts that are fixed in the adapter, see `Platform`.
        api: Method and path of the HTTP call by which the bot says something; None where it says
            it over its WebSocket.
        token: What the platform and the bot share; None where the platform has nothing of it.
        patience: Seconds in which a bot has to do what a test waits for, and in which it has to
            be connected again.
        check_leaks: Whether each test fails on what the bot leaves behind. Where an adapter is
            known to leave something, only `test_a_stop_leaves_nothing_behind` does.
    """

    adapter: ClassVar[str] = ""
    program: ClassVar[Program] = staticmethod(echo_bot)
    drivers: ClassVar[Iterable[str] | None] = None
    known: ClassVar[Mapping[str, Known]] = {}
    hosts: ClassVar[tuple[str, ...]] = ()
    api: ClassVar[tuple[str, str] | None] = None
    token: ClassVar[str | None] = "token"
    patience: ClassVar[float] = 20.0
    check_leaks: ClassVar[bool] = True

    platform: Platform
    bot: BotProcess
    driver: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_filled_in(cls)

    @abc.abstractmethod
    def settings(self, platform: Platform) -> Mapping[str, Any]:
        """Return the settings of the bot."""

    @abc.abstractmethod
    def event(self, text: str) -> Json | bytes:
        """Return the event of a message with a text, with a number of its own if events have one.

        JSON is sent as JSON, and text and bytes as they are.
        """

    @abc.abstractmethod
    def said(self, call: Message) -> str | None:
        """Return the text that the bot says by an API call; None if the call is for another end."""

    @abc.abstractmethod
    def result(self, call: Message) -> Any:
        """Return the answer to a call by which the bot has said something, as JSON."""

    def prepare(self, platform: Platform) -> None:  # noqa: B027 - most have nothing to prepare
        """Have the platform answer what the adapter asks besides, such as who the bot is."""

    def limit(self, retry_after: float | str | None) -> Fault:
        """Return the refusal of a call that comes too often, such as with the platform's own body.

        Args:
            retry_after: The header ``Retry-After``; None is without it.
        """
        return Status(429, retry_after=retry_after)

    # What tests are made of.

    def run(self, test: Callable[[], Awaitable[None]], driver: str) -> None:
        """Run a test on an event loop of its own."""
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self.play(test, driver))
        finally:
            loop.run_until_complete(ended())
            loop.close()

    async def play(self, test: Callable[[], Awaitable[None]], driver: str) -> None:
        """Run a test against a platform of its own."""
        timeline.clear()
        self.driver = driver
        self._texts: Journal[tuple[str, float]] = Journal()
        self._saying = Reader(self._texts)
        self._faults: deque[Fault] = deque()
        self._held: list[Received] | None = None
        async with Platform(hosts=self.hosts, allow_unused=True) as self.platform:
            self._released = asyncio.Event()
            self.prepare(self.platform)
            if self.api is not None:
                self.platform.on(*self.api).reply(self.take_call)
            self.open_ways()
            await test()

    def open_ways(self) -> None:  # noqa: B027 - where the bot serves, the platform has none
        """Have the platform serve what this way needs."""

    @asynccontextmanager
    async def running(self, *, check_leaks: bool | None = None) -> AsyncIterator[BotProcess]:
        """Run the bot, until the block ends; it has to end well, and leave nothing behind.

        Args:
            check_leaks: Whether what it leaves behind is a failure; None is as the suite says.
        """
        env = {ADAPTER: self.adapter, **self.platform.environment}
        async with AsyncExitStack() as stack:
            self.bot = await stack.enter_async_context(
                BotProcess(
                    type(self).program,
                    driver=self.driver,
                    settings=dict(self.settings(self.platform)),
                    env=env,
                    check_leaks=self.check_leaks if check_leaks is None else check_leaks,
                )
            )
            yield self.bot

    @asynccontextmanager
    async def running_before_the_platform(self) -> AsyncIterator[BotProcess]:
        """Run the bot, and start the platform only when the bot has reached for it in vain.

        Whether an attempt was made decides what is tested, and most adapters log that it failed.
        """
        await self.platform.stop()
        async with self.running() as bot:
            with contextlib.suppress(NothingCame):
                await bot.logged(PROBLEM, deadline=IN_VAIN)
            await self.platform.start()
            yield bot

    @abc.abstractmethod
    async def send(self, event: Any) -> None:
        """Bring an event, or whatever it is, to the bot, over a connection that is there."""

    async def say(self, text: str) -> None:
        """Have a person say something to the bot."""
        await self.send(self.event(text))

    async def take_call(self, call: Message) -> Any:
        """Answer an API call: as a test has scripted it, or as the platform does."""
        text = self.said(call)
        if text is None:
            return None
        self._texts.append((text, asyncio.get_running_loop().time()))
        if self._faults:
            return self._faults.popleft()
        if self._held is not None:
            if isinstance(call, Received):
                self._held.append(call)
                return None
            await self._released.wait()
        return self.result(call)

    async def heard(self, text: str) -> None:
        """Wait until the bot has said a text."""
        await self._saying.take(
            lambda said: said[0] == text, f"{text!r} from the bot", self.patience
        )

    async def answered(self, text: str) -> None:
        """Wait until the bot has said a text, and knows that the platform has taken it."""
        await self.heard(text)
        await self.bot.told(f"said {text}", deadline=self.patience)

    async def assert_answers(self, text: str) -> None:
        """Say something, and wait until the bot has answered it."""
        await self.say(f"/say {text}")
        await self.answered(text)

    def count_said(self, text: str) -> int:
        """Tell how often the bot has said a text."""
        return sum(said == text for said, _ in self._texts)

    def assert_said_once(self, *texts: str) -> None:
        """Assert that the bot has said each of some texts once."""
        for text in texts:
            count = self.count_said(text)
            assert count == 1, f"{text!r} was said {count} times"

    def was_said(self, text: str) -> bool:
        """Tell whether the bot has said a text."""
        return self.count_said(text) > 0

    def hold_answers(self) -> None:
        """Leave API calls without an answer until `release_answers`."""
        self._held = []

    async def release_answers(self) -> None:
        """Answer the calls that wait."""
        held, self._held = self._held or [], None
        self.platform.soon(self._released.set)
        for call in held:
            # A bot that has not waited may have closed the connection.
            with contextlib.suppress(ConnectionError):
                await call.reply(self.result(call))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each driver; see https://docs.pytest.org/en/stable/how-to/."""
        if "driver" not in metafunc.fixturenames:
            return
        cls = metafunc.cls
        assert cls is not None
        check_known(cls, cls.known)
        cases = getattr(metafunc.function, "cases", None)
        drivers = drivers_to_test(
            chosen_in(metafunc.config) if cls.drivers is None else cls.drivers
        )
        mark = partial(marks_of, cls, cls.known, metafunc.function)
        if cases is None:
            alone = [pytest.param(each, id=each, marks=mark(None, each)) for each in drivers]
            metafunc.parametrize("driver", alone)
        else:
            chosen = [
                pytest.param(each, value, id=f"{case}-{each}", marks=mark(case, each))
                for case, value in cases.items()
                for each in drivers
            ]
            metafunc.parametrize(("driver", "case"), chosen)

    # The tests of every way.

    @scenario
    async def test_an_event_is_answered(self) -> None:
        """The bot answers an event over its platform's API."""
        async with self.running():
            await self.assert_answers("一")

    @scenario
    async def test_a_large_event_is_answered(self) -> None:
        """A text of 200,000 characters comes whole."""
        async with self.running():
            await self.say(f"/count {'大' * LARGE}")
            await self.answered(str(LARGE))

    @scenario
    async def test_an_api_call_that_hangs_stops_nothing_else(self) -> None:
        """While the platform leaves one call without an answer, other events are answered."""
        async with self.running() as bot:
            if self.api is None:
                self.hold_answers()
                await self.say("/say hanging")
                await self.heard("hanging")
                self._held = None
            else:
                self._faults.append(Hang())
                await self.say("/say hanging")
                await self.heard("hanging")
            await self.assert_answers("free")
            # A stop would wait for the call, too.
            bot.kill()

    @scenario
    async def test_a_stop_lets_an_event_in_flight_end(self) -> None:
        """A stop waits for the handler that has begun, and its next call reaches the platform."""
        async with self.running() as bot:
            self.hold_answers()
            await self.say("/twice last")
            await self.heard("last 1")
            await begin_to_stop(bot, self.patience)
            await asyncio.sleep(ANSWERING)
            await self.release_answers()
            bot.deadline = self.patience
            await bot.stop()
            assert self.was_said("last 2"), "the handler was cut off"

    @scenario
    async def test_a_stop_leaves_nothing_behind(self) -> None:
        """A bot that has answered ends without a task, a session or a socket that nobody ended."""
        async with self.running(check_leaks=True):
            await self.assert_answers("only")

    @needs("api")
    @scenario
    async def test_a_call_that_is_refused_with_429_stops_nothing_else(self) -> None:
        """A call that comes too often fails or is made again, and the next event is answered."""
        async with self.running():
            self._faults.append(self.limit(None))
            await self.say("/say limited")
            await self.heard("limited")
            await self.assert_answers("after")

    @needs("api")
    @scenario
    async def test_a_call_is_not_made_again_before_retry_after(self) -> None:
        """A call refused with ``Retry-After`` fails, or is made again when that time is over."""
        async with self.running():
            self._faults.append(self.limit(RETRY_AFTER))
            await self.say("/say limited")
            await self.heard("limited")
            await self.assert_answers("after")
            times = [at for text, at in self._texts if text == "limited"]
            # Until then it would be too early.
            end = times[0] + RETRY_AFTER - SLACK
            await asyncio.sleep(end - asyncio.get_running_loop().time())
            times = [at for text, at in self._texts if text == "limited"]
            early = [at - times[0] for at in times[1:] if at - times[0] < RETRY_AFTER - SLACK]
            assert not early, f"made again after {early[0]:.1f} s, not after {RETRY_AFTER} s"
