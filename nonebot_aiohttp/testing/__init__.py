"""A kit for authors of adapters: a platform with its faults, and bots under any driver.

The names here are public. Each is imported when it is first used: a bot's own process, which calls
`tell`, must not bring a platform along, and only the suites need pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bots.base import BadEnd, LeftBehind
    from .bots.drivers import OURS, STOCK, drivers_to_test
    from .bots.hooks import restored_hooks
    from .bots.ports import free_port
    from .bots.process import BotProcess
    from .bots.served import Served
    from .bots.up import DidNotStart
    from .common.journal import DEADLINE, Journal, NothingCame
    from .fixtures.starting import Serve, StartBot
    from .inside.echo import echo_bot
    from .inside.telling import tell
    from .platforms.client import Answer, NoAnswer, Refused
    from .platforms.messages import Closed, Received
    from .platforms.platform import Platform
    from .platforms.polling import Updates
    from .platforms.problems import FunctionFailed, UnexpectedRequests, UnusedReplies
    from .platforms.replies import Reply
    from .platforms.routes import Route
    from .platforms.seen import Call, Upload
    from .platforms.server import WebSocketRoute
    from .platforms.websockets import Connection
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
    from .wire.background import Blocked
    from .wire.faults import (
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
    "wire.background": ("Blocked",),
    "bots.base": (
        "BadEnd",
        "LeftBehind",
    ),
    "platforms.client": (
        "Answer",
        "NoAnswer",
        "Refused",
    ),
    "bots.drivers": (
        "OURS",
        "STOCK",
        "drivers_to_test",
    ),
    "inside.echo": ("echo_bot",),
    "wire.faults": (
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
    "bots.hooks": ("restored_hooks",),
    "common.journal": (
        "DEADLINE",
        "Journal",
        "NothingCame",
    ),
    "platforms.messages": ("Closed", "Received"),
    "platforms.platform": ("Platform",),
    "platforms.polling": ("Updates",),
    "bots.ports": ("free_port",),
    "bots.process": ("BotProcess",),
    "platforms.problems": ("FunctionFailed", "UnexpectedRequests", "UnusedReplies"),
    "platforms.replies": ("Reply",),
    "platforms.routes": ("Route",),
    "platforms.seen": (
        "Call",
        "Upload",
    ),
    "bots.served": ("Served",),
    "platforms.server": ("WebSocketRoute",),
    "fixtures.starting": (
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
    "inside.telling": ("tell",),
    "bots.up": ("DidNotStart",),
    "platforms.websockets": ("Connection",),
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
