"""A kit for authors of adapters: a platform with its faults, and bots under any driver."""

from .client import Answer, NoAnswer, Refused
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
from .journal import DEADLINE, Journal, NothingCame
from .platform import FunctionFailed, Platform, UnexpectedRequests, UnusedReplies
from .polling import Updates
from .replies import Reply
from .routes import Route
from .seen import Call, Upload
from .server import WebSocketRoute
from .timeline import timeline
from .websockets import Closed, Connection, Received

__all__ = (
    "DEADLINE",
    "Answer",
    "Call",
    "Close",
    "Closed",
    "Connection",
    "Cut",
    "ExpiredCertificate",
    "Fault",
    "FunctionFailed",
    "Garbage",
    "HalfOpen",
    "Hang",
    "Journal",
    "NoAnswer",
    "NothingCame",
    "Oversize",
    "Place",
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
    "timeline",
)
