"""Measures how many events a bot handles that does something with them; see ``load.onebot``.

The figures are for one second of processor time, so that they tell what a whole core carries,
whatever else the machine does meanwhile.
"""

from __future__ import annotations

from .measure import PATIENCE, Subject, check
from .process import free_port, start
from .settings import Settings

BOTS = 64
"""Bots in the process, each with one event in flight."""


def webhook(subject: Subject, settings: Settings) -> float:
    """Return the webhooks that were answered, and led to an API call over HTTP."""
    return _measure("webhook", subject, settings)


def reverse(subject: Subject, settings: Settings) -> float:
    """Return the messages that led to an API call over the same reverse WebSocket."""
    return _measure("reverse", subject, settings)


def _measure(kind: str, subject: Subject, settings: Settings) -> float:
    port, api = free_port(), free_port()
    arguments = (*subject.args, port, api, BOTS)
    with start(f"subjects.{subject.module}", arguments, "subject", {}) as child:
        child.wait_listening(port)
        how = (kind, port, subject.endpoint, BOTS, api, settings.warmup, settings.seconds)
        with start("load.onebot", how, "load", {}) as load:
            load.hear("warm", settings.warmup + PATIENCE)
            before = child.processor_time()
            handled = load.hear("messages", settings.seconds + PATIENCE)
            spent = child.processor_time() - before
            check({"messages": handled, "errors": load.hear("errors", PATIENCE)}, "messages")
            return float(handled / spent)
