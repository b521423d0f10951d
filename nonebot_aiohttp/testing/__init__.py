"""A kit for authors of adapters: a platform with its faults, and bots under any driver."""

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
from .journal import DEADLINE, Journal, NothingCame
from .platform import Platform, UnexpectedRequests, UnusedReplies
from .polling import Updates
from .ports import free_port
from .process import BadEnd, BotProcess, DidNotStart, LeftBehind
from .replies import Reply
from .routes import Route
from .seen import Call, Upload
from .server import WebSocketRoute
from .telling import tell
from .timeline import timeline
from .websockets import Closed, Connection, Received

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
    "Garbage",
    "HalfOpen",
    "Hang",
    "Journal",
    "LeftBehind",
    "NoAnswer",
    "NothingCame",
    "Oversize",
    "Platform",
    "Received",
    "Redirect",
    "Refused",
    "Reply",
    "Reset",
    "Route",
    "Silent",
    "Slow",
    "Status",
    "UnexpectedRequests",
    "UnusedReplies",
    "Updates",
    "Upload",
    "WebSocketRoute",
    "drivers_to_test",
    "free_port",
    "tell",
    "timeline",
)
