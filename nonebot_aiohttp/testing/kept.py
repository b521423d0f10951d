"""``Kept``: what one test has of the kit, for its end in order, and what was found then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .platform import UnexpectedRequests, UnusedReplies
from .timeline import HEADER, timeline

if TYPE_CHECKING:
    from .platform import Platform
    from .process import BotProcess
    from .served import Served


class Kept:
    """The bots and the platform of one test of pytest.

    Attributes:
        platform: The platform of the fixture, once it has begun.
        bots: The bots in processes of their own that still run.
        served: The drivers in the test's own loop.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.platform: Platform | None = None
        self.bots: list[BotProcess] = []
        self.served: list[Served[Any]] = []
        self._problems: list[Exception] = []
        self._is_shown = False
        self._is_good = False

    def keep(self, bot: BotProcess) -> BotProcess:
        """Take a bot that has started, and return it."""
        self.bots.append(bot)
        return bot

    def end_body(self, *, is_good: bool) -> Exception | None:
        """End the bots, then check the platform, right after the body of the test.

        The platform itself goes on until its fixture ends, because the teardown of other fixtures
        may still need it. Where one of these has a driver that still runs, the check of replies
        waits until then, because the driver may use them when it stops.

        Args:
            is_good: Whether the body has passed.

        Returns:
            The first problem, if the body has passed; the others are for the report.
        """
        self.end_bots()
        if self.platform is not None:
            self._keep(self._check)
        # An answer that the bot did not get is why it has ended badly, and not the other way round.
        self._problems.sort(key=lambda problem: not isinstance(problem, UnexpectedRequests))
        self._is_good = is_good and not self._problems
        return self._problems.pop(0) if is_good and self._problems else None

    def end_bots(self) -> None:
        """End the bots, the last one first."""
        while self.bots:
            self._keep(self.bots.pop().finish)

    def end_platform(self) -> None:
        """End the platform, and raise what it has found since the body has passed."""
        platform, self.platform = self.platform, None
        if platform is None:
            return
        with contextlib.nullcontext() if self._is_good else contextlib.suppress(AssertionError):
            platform.__exit__(None, None, None)

    def sections(self, shown: str) -> list[tuple[str, str]]:
        """Return what a report of a failure has to show beside the error itself, once a test.

        Args:
            shown: The text of the error.

        Returns:
            Titles with texts.
        """
        sections = []
        if self._problems:
            sections.append(("nonebot: the test has failed in this, too", _listed(self._problems)))
            self._problems = []
        if not self._is_shown and HEADER not in shown and timeline.events:
            sections.append(("nonebot: platform and bot", timeline.render()))
        self._is_shown = True
        return sections

    def _check(self) -> None:
        assert self.platform is not None
        try:
            self.platform.check()
        except UnusedReplies:
            if not any(served.is_running for served in self.served):
                raise

    def _keep(self, end: Callable[[], None]) -> None:
        try:
            end()
        except Exception as problem:
            self._problems.append(problem)


def _listed(problems: Iterable[Exception]) -> str:
    """Return the texts of errors without their timelines."""
    return "\n\n".join(
        f"{type(problem).__name__}: {str(problem).partition(HEADER)[0].rstrip()}"
        for problem in problems
    )
