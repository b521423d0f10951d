"""What polling and the WebSocket client have in common: attempts, failures, and the stop."""

from __future__ import annotations

import abc
import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from ..adapters import Bot
from ..connections.connected import ConnectedBots
from ..connections.open_websockets import OpenWebSockets
from ..connections.sessions import SessionPool
from ..drivers import Driver
from ..exceptions import WebSocketClosed
from ..life.hooks import hook_name
from ..life.tasks import TaskSet
from ..life.waiting import Stopped, race
from ..log import describe, format_traceback, redact_url
from ..log.naming import about, bot_name, disconnected_text, duration
from ..log.own import logger
from ..options import DriverOptions
from .backoff import News, Pace, Verdict, is_of_network, judge, kind_of, retry_after
from .setups import (
    SetupKind,
    check_fields,
    check_headers,
    check_self_id,
    find_adapter,
    read_url,
    seconds_of,
)


@dataclass(frozen=True)
class Supplies:
    """What every loop works with.

    Attributes:
        driver: The driver whose adapters and bots these are.
        pool: The sessions.
        connected_bots: The bots that are connected.
        websockets: The open WebSockets, which the stop closes.
        handlers: The tasks of message handlers.
        sleep: Waits for some seconds; injected by tests.
        clock: Monotonic seconds; injected by tests.
    """

    driver: Driver
    options: DriverOptions
    pool: SessionPool
    connected_bots: ConnectedBots
    websockets: OpenWebSockets
    handlers: TaskSet
    sleep: Callable[[float], Coroutine[Any, Any, None]] = field(default=asyncio.sleep)
    clock: Callable[[], float] = field(default=time.monotonic)


class ForwardLoop(abc.ABC):
    """Makes attempts until the stop, or until its setup turns out to be wrong for good.

    Attributes:
        label: Whose loop it is, for the log.
        last_error: What failed last, as the log says it; empty if nothing has.
        about: Whose it is, as extra fields of its records; none until the setup is made.
        kind: What the loop does, for the label.
        takes: The kind of its setups.
        interval: The field of a setup that has the seconds until the next attempt.
    """

    kind: str
    takes: SetupKind
    interval: str

    def __init__(
        self, setup: Any, supplies: Supplies, stopping: asyncio.Event, closing: asyncio.Event
    ) -> None:
        """Make the loop of one setup.

        Args:
            setup: The setup, or a function that makes it, async as a rule.
            stopping: Set when the driver stops; interrupts every wait.
            closing: Set when the bot has to leave, after its handlers have ended.
        """
        self._setup = setup
        self._supplies = supplies
        self._stopping = stopping
        self._whose = "", ""
        self.about: dict[str, str] = {}
        self._closing = closing
        self._pace = Pace(supplies.options, supplies.clock)
        self.label = f"The {self.kind}"
        if callable(setup):
            self.label += f" of {hook_name(setup)}"
        self._interval = 0.0
        self.last_error = ""
        self._next_attempt: float | None = None
        self._given_up = False
        self._news = News(supplies.clock)
        # Whether a failure was logged as a warning since the last success.
        self._told = False

    async def run(self) -> None:
        """Make attempts until the stop."""
        try:
            while not self._stopping.is_set():
                await self._pause(await self._attempt_and_report())
        except (Stopped, _GivenUp):
            pass

    @property
    def state(self) -> str:
        """``connected``, ``connecting``, ``waiting``, or ``ended`` if it can never work."""
        if self._given_up:
            return "ended"
        if self._pace.is_up:
            return "connected"
        return "connecting" if self._next_attempt is None else "waiting"

    @property
    def attempts(self) -> int:
        """Failed attempts, and connections that have ended, of this outage."""
        return 0 if self._pace.is_up else self._pace.failures

    @property
    def self_id(self) -> str:
        """The id of its bot; empty until the setup is made."""
        return self._whose[0]

    @property
    def is_down(self) -> bool:
        """Whether there is an outage."""
        return self._pace.failing

    def down_for(self) -> float | None:
        """Give the seconds since this outage began; None without an outage."""
        return self._pace.down_for() if self.is_down else None

    def next_attempt_in(self) -> float | None:
        """Give the seconds until the next attempt; None unless a failure is waited after."""
        if self._next_attempt is None or self.state != "waiting":
            return None
        return max(self._next_attempt - self._supplies.clock(), 0.0)

    @abc.abstractmethod
    async def attempt(self, setup: Any, adapter: type[Bot], url: URL) -> float:
        """Make one attempt.

        Args:
            setup: The setup; made anew for this attempt where a function makes it.
            url: Its URL, checked.

        Returns:
            Seconds until the next attempt.

        Raises:
            Exception: The attempt failed, or its connection ended.
        """

    async def within(self, coroutine: Coroutine[Any, Any, Any], timeout: float, name: str) -> Any:
        """Wait for a coroutine until the stop or a deadline.

        Args:
            timeout: Seconds.
            name: The setting that the seconds come from, for the error.
        """
        try:
            return await race(coroutine, self._stopping, timeout, self.label, about=self.about)
        except asyncio.TimeoutError as error:
            if str(error):
                raise
            raise asyncio.TimeoutError(f"no answer within {timeout:g} s ({name})") from None

    def connected(self, url: URL) -> bool:
        """Note a connection or an answered poll; tell whether that ends an outage."""
        recovered = self._pace.succeeded()
        if recovered:
            level = "INFO" if self._told else "DEBUG"
            lasted, number = duration(self._pace.down_for()), self._pace.failures
            attempts = f"{number} attempt{'s' * (number > 1)}"
            text = "{} is back after {}, {}: {}"
            logger.log(level, text, self.label, lasted, attempts, redact_url(url), **self.about)
            self._told = False
        return recovered

    async def _attempt_and_report(self) -> float:
        try:
            setup = await self._make_setup()
            adapter, url = self._examine(setup)
            return await self.attempt(setup, adapter, url)
        except Stopped:
            raise
        except Exception as error:
            if self._stopping.is_set():
                raise Stopped from None
            return self._report(error)

    async def _make_setup(self) -> Any:
        if not callable(self._setup):
            return self._setup
        return await race(_call(self._setup), self._stopping, label=self.label, about=self.about)

    @classmethod
    def label_of(cls, setup: Any) -> str:
        """Name the loop of a setup."""
        return f"The {cls.kind} of {bot_name(setup.self_id, setup.adapter)}"

    @classmethod
    def examine(cls, setup: Any, driver: Driver) -> tuple[type[Bot], URL, float]:
        """Check what no further attempt can mend; return the adapter, the URL and the interval.

        The setup has all fields: ``check_given`` or ``check_fields`` has looked.

        Raises:
            SetupError: The setup can never work.
        """
        check_self_id(setup.self_id)
        interval = seconds_of(setup, cls.interval)
        check_headers(setup.headers)
        adapter = find_adapter(setup.adapter, driver._adapters)
        return adapter, read_url(setup.url, cls.takes), interval

    def _examine(self, setup: Any) -> tuple[type[Bot], URL]:
        if setup is None:
            # Not for good, because the function may have nothing to connect to yet.
            raise TypeError(f"the function has returned None and not {self.takes.noun}")
        check_fields(setup, self.takes)
        whose = setup.self_id, setup.adapter
        if whose != self._whose:
            self._whose, self.label = whose, self.label_of(setup)
            self.about = about(setup.adapter, setup.self_id)
        adapter, url, self._interval = self.examine(setup, self._supplies.driver)
        return adapter, url

    def _report(self, error: Exception) -> float:
        """Log a failure, and give the seconds until the next attempt.

        Raises:
            _GivenUp: The loop makes no further attempt.
        """
        verdict = judge(error)
        if verdict is Verdict.FATAL:
            self._given_up, self.last_error = True, describe(error)
            # So that the status says since when.
            self._pace.failed(self._interval)
            text = "{} has ended for good: {}"
            logger.error(text, self.label, self.last_error, **self.about)
            raise _GivenUp
        delay = max(self._pace.failed(self._interval), retry_after(error))
        if verdict is Verdict.SLOWLY:
            delay = max(delay, self._pace.slowest(self._interval))
        self._log_failure(error, delay)
        return delay

    def _log_failure(self, error: Exception, delay: float) -> None:
        """Log a failure: as a warning where that is news, otherwise for whoever debugs."""
        number, kind = self._pace.failures, kind_of(error)
        is_due, is_first = self._news.tell(number, kind)
        self.last_error = describe(error)
        if isinstance(error, WebSocketClosed):
            what = disconnected_text(*self._whose, self.kind, error.code, error.reason)
        elif number == 1:
            what = f"{self.label} failed: {self.last_error}"
        else:
            lasted = duration(self._pace.down_for())
            what = f"{self.label} has failed {number} times in {lasted}: {self.last_error}"
        text = f"{what}; the next attempt is in {delay:.1f} s"
        if is_first and not is_of_network(error):
            text = f"{text}\n{format_traceback(error)}"
        self._told |= is_due
        logger.log("WARNING" if is_due else "DEBUG", "{}", text, **self.about)

    async def _pause(self, seconds: float) -> None:
        self._next_attempt = self._supplies.clock() + seconds
        try:
            await race(self._supplies.sleep(seconds), self._stopping)
        finally:
            self._next_attempt = None


class _GivenUp(Exception):
    """The loop ends because its setup can never work."""


async def _call(factory: Callable[[], Any]) -> Any:
    setup = factory()
    return await setup if inspect.isawaitable(setup) else setup


def connection_fields(setup: Any, url: URL) -> dict[str, Any]:
    """Make the fields of ``HTTPConnection`` that a bot sees in its ``request``, but the version."""
    headers = {"host": url.authority.rpartition("@")[2]}
    headers.update((name.lower(), value) for name, value in (setup.headers or {}).items())
    return {
        "scheme": url.scheme,
        "path": url.path,
        "query_string": url.raw_query_string.encode(),
        "headers": headers,
    }
