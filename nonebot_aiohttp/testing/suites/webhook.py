"""``WebhookSuite``: the platform posts events to the bot."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ..platforms.client import Answer, NoAnswer
from ..platforms.replies import Json
from ..wire.faults import Cut, Fault, Reset, Slow
from .base import GARBAGE, HUGE, TINY, scenario, scenarios
from .inbound import InboundSuite

BROKEN: dict[str, Fault] = {"cut": Cut(after=150), "reset": Reset()}
"""How a webhook ends before it is whole."""

LATE = 2.0
"""Seconds that a slow body takes, whose head comes at the same pace."""


class WebhookSuite(InboundSuite):
    """What a platform that posts its events does to the bot.

    Attributes:
        path: The path of the bot's webhook.
        method: The method of a webhook.
    """

    method: ClassVar[str] = "POST"

    @abc.abstractmethod
    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        """Return the headers of a webhook, with what a token makes of its body; None is without."""

    def encode(self, event: Json | bytes) -> bytes:
        """Make the body of an event: JSON, unless it is bytes already."""
        return event if isinstance(event, bytes) else json.dumps(event).encode()

    async def post(self, event: Json | bytes, path: str | None = None, **options: Any) -> Answer:
        """Send an event as the platform does, with options of `Platform.post`."""
        return await self.post_with(event, self.token, path, **options)

    async def post_with(
        self, event: Json | bytes, token: str | None, path: str | None = None, **options: Any
    ) -> Answer:
        """Send an event with a token; None is without."""
        body = self.encode(event)
        return await self.platform.post(
            self.bot.url(path or self.target(token)),
            body=body,
            headers=self.headers(body, token),
            method=self.method,
            deadline=self.patience,
            **options,
        )

    async def send(self, event: Json | bytes) -> None:
        """Send an event, and assert that the bot takes it."""
        answer = await self.post(event)
        assert 200 <= answer.status < 300, f"an event was answered {answer.status}: {answer.text}"

    async def send_until_taken(self, event: Json | bytes) -> None:
        """Send an event again and again, as platforms do, until the bot takes it."""
        await self.insist(lambda: self.send(event), AssertionError)

    async def assert_refused(self, token: str | None) -> None:
        """Send an event with credentials, and assert that the bot does not take it."""
        answer = await self.post_with(self.event("/say no"), token)
        assert 400 <= answer.status < 500, f"answered {answer.status}, not with 4xx"
        await self.assert_answers("yes")
        assert not self.was_said("no"), "the event was handled"

    @scenario
    async def test_credentials_that_come_late_are_accepted(self) -> None:
        """A webhook that comes byte by byte is taken."""
        async with self.running():
            body = self.encode(self.event("/say late"))
            answer = await self.post(body, fault=Slow(pace=max(len(body) / LATE, 1_000)))
            assert answer.status < 300, f"answered {answer.status}"
            await self.answered("late")

    @scenario
    async def test_an_unknown_path_is_refused(self) -> None:
        """A webhook to another path is answered 4xx."""
        async with self.running():
            answer = await self.post(self.event("/say no"), path=f"{self.path.rstrip('/')}/nowhere")
            assert 400 <= answer.status < 500, f"answered {answer.status}, not with 4xx"
            await self.assert_answers("known")

    @scenario
    async def test_garbage_is_refused(self) -> None:
        """A body that no platform means is answered 4xx, and the next event is answered."""
        async with self.running():
            found = {body: (await self.post(body)).status for body in GARBAGE}
            await self.assert_answers("survived")
        wrong = {body[:20]: status for body, status in found.items() if not 400 <= status < 500}
        assert not wrong, f"not answered with 4xx: {wrong}"

    @scenario
    async def test_tiny_bodies_are_survived(self) -> None:
        """A body with next to nothing in it has an answer, and the next event is answered."""
        async with self.running():
            for body in TINY:
                await self.post(body)
            await self.assert_answers("survived")

    @scenario
    async def test_a_huge_body_is_survived(self) -> None:
        """After a text of five million characters, taken or not, the next event is answered."""
        async with self.running():
            with contextlib.suppress(NoAnswer):
                await self.post(self.event(f"/count {'a' * HUGE}"))
            await self.assert_answers("survived")

    @scenarios(BROKEN)
    async def test_a_webhook_that_breaks_is_survived(self, fault: Fault) -> None:
        """A webhook that ends in the middle is not handled, and the next one is."""
        async with self.running():
            with contextlib.suppress(NoAnswer):
                await self.post(self.event("/say broken"), fault=fault)
            await self.assert_answers("survived")
            assert not self.was_said("broken"), "half an event was handled"

    @scenario
    async def test_two_events_at_once_are_answered(self) -> None:
        """Two webhooks of one bot at the same time are both answered."""
        async with self.running():
            await asyncio.gather(self.say("/say one"), self.say("/say two"))
            await self.answered("one")
            await self.answered("two")

    @scenario
    async def test_a_platform_that_restarts_is_answered_again(self) -> None:
        """After a restart of its API, events are answered."""
        async with self.running():
            await self.assert_answers("before")
            await self.platform.restart()
            await self.send_until_taken(self.event("/say after"))
            await self.answered("after")

    @scenario
    async def test_a_start_without_the_platform_is_made_good(self) -> None:
        """A bot that starts before its platform's API answers events as soon as that is there."""
        async with self.running_before_the_platform():
            await self.send_until_taken(self.event("/say at last"))
            await self.answered("at last")
