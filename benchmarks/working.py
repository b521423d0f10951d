"""Measures how many events a bot handles that does something with them; see ``load.onebot``."""

from __future__ import annotations

from .measure import PATIENCE, Subject, check
from .process import free_port, start
from .settings import Settings

BOTS = 64
"""Bots in the process, each with one event in flight."""


def webhook(subject: Subject, settings: Settings) -> float:
    """Return the webhooks per second that were answered, and led to an API call over HTTP."""
    return _measure("webhook", subject, settings)


def reverse(subject: Subject, settings: Settings) -> float:
    """Return the messages per second that led to an API call over the same reverse WebSocket."""
    return _measure("reverse", subject, settings)


def _measure(kind: str, subject: Subject, settings: Settings) -> float:
    port, api = free_port(), free_port()
    arguments = (*subject.args, port, api, BOTS)
    with start(f"subjects.{subject.module}", arguments, "subject", {}) as child:
        child.wait_listening(port)
        how = (kind, port, subject.endpoint, BOTS, api, settings.warmup, settings.seconds)
        with start("load.onebot", how, "load", {}) as load:
            result = load.hear("result", settings.warmup + settings.seconds + PATIENCE)
            check(result, "messages")
            return float(result["messages"] / result["seconds"])
