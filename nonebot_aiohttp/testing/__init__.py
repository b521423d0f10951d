"""A kit for authors of adapters: a platform with its faults, and bots under any driver."""

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
from .telling import tell
from .timeline import timeline
from .up import DidNotStart
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
    "Served",
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
    "restored_hooks",
    "tell",
    "timeline",
)
