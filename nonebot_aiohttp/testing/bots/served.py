"""``Served``: a driver without NoneBot2 that runs in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from loguru import logger

from ..common.journal import NothingCame
from ..common.timeline import BOT, timeline
from .base import BadEnd, Bot, LeftBehind
from .hooks import Hooks, are_restored
from .leaks import Leaks, changes, signal_handlers

if TYPE_CHECKING:
    from typing_extensions import Self

DEADLINE = 30.0
"""Seconds for a driver to start, or to stop: far above what a loaded machine needs."""

_FORMAT = "{level} {name}: {message}"


class Servable(Protocol):
    """What is served: ``nonebot_aiohttp.Driver`` is one."""

    # Properties, because a driver's own methods take more.
    @property
    def serve(self) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Serve at a host and a port, and call ``started`` with a list of addresses, until the end.

        Port 0 is any that is free.
        """

    @property
    def exit(self) -> Callable[[], Any]:
        """Have ``serve`` end."""


D = TypeVar("D", bound=Servable)


class Served(Bot, Generic[D]):
    """A driver that serves within ``async with``, on a free port of 127.0.0.1.

    At the end of the block the driver is stopped, if it still runs, and what has appeared in the
    block and stays raises `LeftBehind`: tasks of this loop, sessions of aiohttp, sockets, handlers
    of signals, and hooks of classes, such as ``Bot.on_calling_api``. Such hooks are removed; within
    `restored_hooks`, or in a test that asks for the fixture ``nonebot_hooks``, they are no failure.
    Nothing is checked if the block has raised something itself.

    The log has all records of loguru while the block runs, of whatever level reaches it: for the
    driver's own that is the setting ``LOG_LEVEL``.

    Attributes:
        driver: The driver.
    """

    def __init__(
        self,
        driver: D,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        deadline: float = DEADLINE,
        check_leaks: bool = True,
    ) -> None:
        """Take a driver; it starts with the block.

        Args:
            driver: A driver with ``serve`` and ``exit``, with its adapters.
            host: Where it listens.
            port: Where it listens; 0 is a free port.
            deadline: Seconds for the start, and for the stop.
            check_leaks: Whether what is left behind is a failure.
        """
        super().__init__(host, port)
        self.driver = driver
        self.deadline = deadline
        self._check_leaks = check_leaks
        self._serving: asyncio.Task[Any] | None = None
        self._is_stopped = False

    @property
    def is_running(self) -> bool:
        """Whether the driver has been started, and has not ended."""
        return self._serving is not None and not self._serving.done()

    async def start(self) -> None:
        """Start the driver, and wait until it serves.

        Raises:
            Exception: Whatever its start has failed with.
            NothingCame: It does not serve in time.
        """
        self._is_stopped = False
        self._leaks, self._hooks, self._signals = Leaks(), Hooks(), signal_handlers()
        self._sink = logger.add(
            self._write, level=0, format=_FORMAT, colorize=False, backtrace=False, diagnose=False
        )
        started: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.ensure_future(
            self.driver.serve(self.host, self.port, started=started.set_result)
        )
        self._serving.add_done_callback(self._has_ended)
        try:
            await self._until(started, "the start of the driver")
        except BaseException:
            await self._clean_up()
            raise
        self.port = started.result()[0][1]

    async def _until(self, started: asyncio.Future[Any], what: str) -> None:
        assert self._serving is not None
        await asyncio.wait(
            {started, self._serving},
            timeout=self.deadline,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if started.done():
            return
        if not self._serving.done():
            raise NothingCame(what, self.deadline)
        await self._serving
        raise BadEnd("serve() has ended before the driver has started")

    async def stop(self) -> None:
        """Stop the driver, and wait until it has stopped; nothing if it has ended.

        Raises:
            Exception: Whatever its run has failed with.
            BadEnd: It has not stopped in time, and was cancelled; or it had ended by itself.
        """
        serving = self._serving
        if serving is None or self._is_stopped:
            return
        self._is_stopped = True
        if serving.done():
            await serving
            raise BadEnd(f"the driver had ended by itself\n\n{timeline.render()}")
        self.driver.exit()
        await asyncio.wait({serving}, timeout=self.deadline)
        if not serving.done():
            raise BadEnd(
                f"the driver had not stopped {self.deadline:g} s after exit(), and was cancelled"
                f"\n\n{timeline.render()}"
            )
        await serving

    async def ended(self, deadline: float | None = None) -> None:
        """Wait until the driver has ended by itself, as the test expects.

        Args:
            deadline: Seconds; None is `deadline` of this object.

        Raises:
            Exception: Whatever its run has failed with.
            NothingCame: The seconds have passed.
        """
        assert self._serving is not None, "it was not started: use `async with`"
        seconds = self.deadline if deadline is None else deadline
        await asyncio.wait({self._serving}, timeout=seconds)
        if not self._serving.done():
            raise NothingCame("the end of the driver", seconds)
        self._is_stopped = True
        await self._serving

    async def _clean_up(self) -> None:
        """End what runs, whatever has happened, and take no more records."""
        if self._serving is not None and not self._serving.done():
            self._serving.cancel()
            await asyncio.wait({self._serving}, timeout=self.deadline)
        with suppress(ValueError):  # The test has removed all sinks.
            logger.remove(self._sink)

    def _write(self, record: str) -> None:
        text = record.rstrip("\n")
        timeline.note(BOT, text)
        for line in text.splitlines():
            self.log.append(line)

    def _has_ended(self, serving: asyncio.Task[Any]) -> None:
        self.log.look_again()

    def _insist(self, what: str) -> None:
        if self._serving is not None and self._serving.done():
            raise AssertionError(f"{what} cannot come: the driver has ended\n\n{timeline.render()}")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.stop()
        except Exception:
            if raised is None:
                raise
        finally:
            await self._clean_up()
            hooks = [] if are_restored() else self._hooks.added()
            if not are_restored():
                self._hooks.restore()
        if raised is None and self._check_leaks:
            await self._check(hooks)

    async def _check(self, hooks: list[str]) -> None:
        left = [
            *await self._leaks.found(),
            *changes(self._signals, signal_handlers()),
            *(f"a hook that nobody has removed: {each}" for each in hooks),
        ]
        if left:
            raise LeftBehind(
                "the driver has stopped, and this is left, of the bot or of the test:\n"
                + "\n".join(f"- {each}" for each in left)
                + "\n(PYTHONTRACEMALLOC=25 has Python tell where sessions were made;"
                f" check_leaks=False turns the check off)\n\n{timeline.render()}"
            )
