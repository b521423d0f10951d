"""``PollingSuite``: the bot asks the platform for events."""

from __future__ import annotations

import abc
from datetime import datetime
from typing import Any

from ..platforms.platform import Platform
from ..platforms.polling import Updates
from ..platforms.replies import Json
from ..wire.faults import Cut, Fault, Garbage, Hang, Reset, Status
from .base import HUGE, RETRY_AFTER, SLACK, Suite, scenario, scenarios

FAULTS: dict[str, Fault] = {
    "401": Status(401),
    "404": Status(404),
    "429": Status(429),
    "429 with Retry-After": Status(429, retry_after=1),
    "500": Status(500),
    "503": Status(503),
    "not JSON": Status(200, body=b"no JSON"),
    "empty object": Status(200, body=b"{}"),
    "empty": Status(200),
    "garbage": Garbage(),
    "cut": Cut(after=20),
    "reset": Reset(),
}
"""How a poll goes wrong, by its name."""

NONSENSE: dict[str, str | None] = {"nothing": None, "nonsense": "nonsense"}
"""What stands in the fields of an event that no platform means; None is without these fields."""


class PollingSuite(Suite):
    """What a platform that a bot polls does to it."""

    _updates: Updates

    @abc.abstractmethod
    def updates(self, platform: Platform) -> Updates:
        """Have the platform answer polls, by `Platform.updates`, and return that."""

    def open_ways(self) -> None:
        """Answer the bot's polls."""
        self._updates = self.updates(self.platform)

    async def send(self, event: Json | bytes) -> None:
        """Have the next poll get an event."""
        self._updates.put(event)

    async def polled_again(self) -> float:
        """Wait for the poll after the one that has failed, and tell after how many seconds."""
        failed = await self._updates.failed.wait(
            lambda polls: polls[0] if polls else None, "the poll that fails", self.patience
        )
        following = await self._updates.polls.wait(
            lambda polls: next((poll for poll in polls if poll.at > failed.at), None),
            "a poll after the one that has failed",
            self.patience,
        )
        return following.at - failed.at

    @scenario
    async def test_each_event_is_answered_once(self) -> None:
        """Events that come together are each answered once, and confirmed by a later poll."""
        async with self.running():
            self._updates.put(self.event("/say one"), self.event("/say two"))
            await self.answered("one")
            await self.answered("two")
            await self.assert_answers("three")
            self.assert_said_once("one", "two", "three")

    @scenario
    async def test_a_poll_without_events_is_followed_by_others(self) -> None:
        """After a poll that had no events for its time, events are answered."""
        async with self.running():
            self._updates.release()
            await self._updates.polls.wait(
                lambda polls: len(polls) > 1 or None,
                "a poll after the one without events",
                self.patience,
            )
            await self.assert_answers("after")

    @scenarios(NONSENSE)
    async def test_an_event_that_makes_no_sense_is_survived(self, value: Any) -> None:
        """An event that has a number, and nothing or nonsense beside it, is passed over."""
        async with self.running():
            await self.assert_answers("before")
            event: Any = self.event("/say no")
            id = self._updates.id
            nonsense = {} if value is None else dict.fromkeys(event, value)
            self._updates.put({**nonsense, id: event[id]})
            await self.assert_answers("after")

    @scenarios(FAULTS)
    async def test_polls_go_on_after(self, fault: Fault) -> None:
        """A poll that goes wrong is followed by others, and no event is lost or handled twice."""
        if isinstance(fault, Status) and fault.status == 429:
            assert not isinstance(fault.retry_after, datetime)
            fault = self.limit(fault.retry_after)
        async with self.running():
            await self.assert_answers("before")
            # aiohttp makes such a request again itself, once.
            for _ in range(2 if isinstance(fault, Reset) else 1):
                self._updates.fail(fault)
            await self.assert_answers("after")
            await self.polled_again()
            await self.assert_answers("and then")
            self.assert_said_once("before", "after", "and then")

    @scenario
    async def test_a_poll_that_hangs_is_given_up(self) -> None:
        """While a poll has no answer, the bot can still be stopped."""
        async with self.running() as bot:
            await self.assert_answers("before")
            self._updates.fail(Hang())
            await self.say("/say last")
            await self.heard("last")
            await self._updates.failed.wait(
                lambda polls: polls[0] if polls else None, "a poll that hangs", self.patience
            )
            bot.deadline = self.patience
            await bot.stop()

    @scenario
    async def test_the_next_poll_comes_after_retry_after(self) -> None:
        """A poll that is refused with ``Retry-After`` is not made again before."""
        async with self.running():
            await self.assert_answers("before")
            self._updates.fail(self.limit(RETRY_AFTER))
            await self.assert_answers("after")
            early = await self.polled_again()
            assert early >= RETRY_AFTER - SLACK, f"made again after {early:.1f} s"

    @scenario
    async def test_a_huge_event_is_survived(self) -> None:
        """After a text of five million characters the next event is answered."""
        async with self.running():
            await self.assert_answers("before")
            await self.say(f"/count {'a' * HUGE}")
            await self.assert_answers("survived")

    @scenario
    async def test_a_platform_that_restarts_is_found_again(self) -> None:
        """After a restart, during which it refuses connections, events are answered."""
        async with self.running():
            await self.assert_answers("before")
            await self.platform.restart(after=0.5)
            await self.assert_answers("after")

    @scenario
    async def test_a_start_without_the_platform_is_made_good(self) -> None:
        """A bot that starts before its platform polls as soon as that is there."""
        async with self.running_before_the_platform():
            await self.assert_answers("at last")
