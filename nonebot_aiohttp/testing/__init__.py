"""A kit for authors of adapters: a platform with its faults, and bots under any driver.

The suites are imported when they are first used, because they need pytest, and the rest does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .bots import BadEnd, LeftBehind
from .client import Answer, NoAnswer, Refused
from .drivers import OURS, STOCK, drivers_to_test
from .faults import (
    Close,
    Cut,
    ExpiredCertificate,
    Fault,
    Garbage,
    HalfOpen,
    Hang,
    Oversize,
    Redirect,
    Reset,
    Silent,
    Slow,
    Status,
)
from .hooks import restored_hooks
from .journal import DEADLINE, Journal, NothingCame
from .platform import Platform, UnexpectedRequests, UnusedReplies
from .polling import Updates
from .ports import free_port
from .process import BotProcess
from .replies import Reply
from .routes import Route
from .seen import Call, Upload
from .served import Served
from .server import WebSocketRoute
from .starting import Serve, StartBot
from .telling import tell
from .timeline import timeline
from .up import DidNotStart
from .websockets import Closed, Connection, Received

if TYPE_CHECKING:
    from .suites import (
        ForwardWebSocketSuite,
        Known,
        Message,
        PollingSuite,
        ReverseWebSocketSuite,
        Suite,
        WebhookSuite,
        scenario,
        scenarios,
    )

__all__ = (
    "DEADLINE",
    "OURS",
    "STOCK",
    "Answer",
    "BadEnd",
    "BotProcess",
    "Call",
    "Close",
    "Closed",
    "Connection",
    "Cut",
    "DidNotStart",
    "ExpiredCertificate",
    "Fault",
    "ForwardWebSocketSuite",
    "Garbage",
    "HalfOpen",
    "Hang",
    "Journal",
    "Known",
    "LeftBehind",
    "Message",
    "NoAnswer",
    "NothingCame",
    "Oversize",
    "Platform",
    "PollingSuite",
    "Received",
    "Redirect",
    "Refused",
    "Reply",
    "Reset",
    "ReverseWebSocketSuite",
    "Route",
    "Serve",
    "Served",
    "Silent",
    "Slow",
    "StartBot",
    "Status",
    "Suite",
    "UnexpectedRequests",
    "UnusedReplies",
    "Updates",
    "Upload",
    "WebSocketRoute",
    "WebhookSuite",
    "drivers_to_test",
    "free_port",
    "restored_hooks",
    "scenario",
    "scenarios",
    "tell",
    "timeline",
)

_OF_SUITES = (
    "ForwardWebSocketSuite",
    "Known",
    "Message",
    "PollingSuite",
    "ReverseWebSocketSuite",
    "Suite",
    "WebhookSuite",
    "scenario",
    "scenarios",
)
"""Names of ``suites``, each of which is imported when it is first used."""


def __getattr__(name: str) -> Any:
    """Import the suites when one of their names is used; from then on it is a name of here."""
    if name not in _OF_SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.suites"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the names of a star import, and what is there already."""
    return sorted({*globals(), *__all__})
