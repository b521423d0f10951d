"""The kit's suites for the small adapter, whole or with one thing wrong, and how a rule is run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

from nonebot_aiohttp.testing import suites
from nonebot_aiohttp.testing.drivers import OURS
from nonebot_aiohttp.testing.platform import Platform
from nonebot_aiohttp.testing.polling import Updates

GOOD = "GoodAdapter"

_numbers = itertools.count(1)


class Small(suites.Suite):
    """What all ways share.

    Attributes:
        bad: The class of the adapter, one of those in `bad_adapters`.
        way: How the bot is connected.
    """

    adapter = "tests.compat.support.bad_adapters"
    bad: ClassVar[str] = GOOD
    way: ClassVar[str] = ""

    def settings(self, platform: Platform) -> Mapping[str, Any]:
        return {"root": platform.url, "way": self.way, "bad": self.bad}

    def event(self, text: str) -> Any:
        return {"id": next(_numbers), "text": text, "sender": {"name": "friend"}}


class OverHTTP(Small):
    """The bot calls the API over HTTP."""

    api = ("POST", "/say")

    def said(self, call: Any) -> str | None:
        text: str = call.json["text"]
        return text

    def result(self, call: Any) -> Any:
        return {}


class OverItsWebSocket(Small):
    """The bot calls the API over its WebSocket."""

    def said(self, call: Any) -> str | None:
        text: str = call.json["text"]
        return text

    def result(self, call: Any) -> Any:
        return {"call": call.json["call"], "this is": "an answer"}


def _shown(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


class Webhook(OverHTTP, suites.WebhookSuite):
    way = "webhook"
    path = "/good"

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        return {"Content-Type": "application/json", **_shown(token)}


class Reverse(OverItsWebSocket, suites.ReverseWebSocketSuite):
    way = "reverse"
    path = "/good/ws"

    def handshake(self, token: str | None) -> Mapping[str, str]:
        return _shown(token)


class Polling(OverHTTP, suites.PollingSuite):
    way = "polling"

    def updates(self, platform: Platform) -> Updates:
        return platform.updates("GET", "/updates")


class Forward(OverItsWebSocket, suites.ForwardWebSocketSuite):
    way = "forward"
    path = "/ws"


SUITES: tuple[type[Small], ...] = (Webhook, Reverse, Polling, Forward)


def identity(suite: type[Small], rule: str) -> tuple[Any, str]:
    """Return what a rule is, the same for all suites that have it from a common base."""
    name, _, case = rule.rstrip("]").partition("[")
    return getattr(suite, name), case


def play(
    suite: type[Small], rule: str, bad: str = GOOD, patience: float = 20.0, driver: str = OURS
) -> None:
    """Run a rule in this process, whose bot is in one of its own."""
    name, _, case = rule.rstrip("]").partition("[")
    made = type(suite.__name__, (suite,), {"bad": bad, "patience": patience})()
    test = getattr(made, name)
    if case:
        test(driver, test.cases[case])
    else:
        test(driver)
