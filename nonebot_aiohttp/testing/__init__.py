"""A kit for authors of adapters: a platform with its faults, and bots under any driver.

The names here are public. Each is imported when it is first used: a bot's own process, which calls
`tell`, must not bring a platform along, and only the suites need pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .background import Blocked
    from .bots import BadEnd, LeftBehind
    from .client import Answer, NoAnswer, Refused
    from .drivers import OURS, STOCK, drivers_to_test
    from .echo import echo_bot
    from .faults import (
        Close,
        Cut,
        ExpiredCertificate,
        Fault,
        Garbage,
        HalfOpen,
        Hang,
        Oversize,
        Place,
        Redirect,
        Reset,
        Silent,
        Slow,
        Status,
    )
    from .hooks import restored_hooks
    from .journal import DEADLINE, Journal, NothingCame
    from .platform import FunctionFailed, Platform, UnexpectedRequests, UnusedReplies
    from .polling import Updates
    from .ports import free_port
    from .process import BotProcess
    from .replies import Reply
    from .routes import Route
    from .seen import Call, Upload
    from .served import Served
    from .server import WebSocketRoute
    from .starting import Serve, StartBot
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
    from .telling import tell
    from .up import DidNotStart
    from .websockets import Closed, Connection, Received

__all__ = (
    "DEADLINE",
    "OURS",
    "STOCK",
    "Answer",
    "BadEnd",
    "Blocked",
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
    "FunctionFailed",
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
    "Place",
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
    "echo_bot",
    "free_port",
    "restored_hooks",
    "scenario",
    "scenarios",
    "tell",
)

_NAMES = {
    "background": ("Blocked",),
    "bots": (
        "BadEnd",
        "LeftBehind",
    ),
    "client": (
        "Answer",
        "NoAnswer",
        "Refused",
    ),
    "drivers": (
        "OURS",
        "STOCK",
        "drivers_to_test",
    ),
    "echo": ("echo_bot",),
    "faults": (
        "Close",
        "Cut",
        "ExpiredCertificate",
        "Fault",
        "Garbage",
        "HalfOpen",
        "Hang",
        "Oversize",
        "Place",
        "Redirect",
        "Reset",
        "Silent",
        "Slow",
        "Status",
    ),
    "hooks": ("restored_hooks",),
    "journal": (
        "DEADLINE",
        "Journal",
        "NothingCame",
    ),
    "platform": (
        "FunctionFailed",
        "Platform",
        "UnexpectedRequests",
        "UnusedReplies",
    ),
    "polling": ("Updates",),
    "ports": ("free_port",),
    "process": ("BotProcess",),
    "replies": ("Reply",),
    "routes": ("Route",),
    "seen": (
        "Call",
        "Upload",
    ),
    "served": ("Served",),
    "server": ("WebSocketRoute",),
    "starting": (
        "Serve",
        "StartBot",
    ),
    "suites": (
        "ForwardWebSocketSuite",
        "Known",
        "Message",
        "PollingSuite",
        "ReverseWebSocketSuite",
        "Suite",
        "WebhookSuite",
        "scenario",
        "scenarios",
    ),
    "telling": ("tell",),
    "up": ("DidNotStart",),
    "websockets": (
        "Closed",
        "Connection",
        "Received",
    ),
}
"""Where each name is defined."""

_PLACES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """List what is public, beside what is there."""
    return sorted({*globals(), *__all__})
