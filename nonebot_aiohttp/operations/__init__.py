"""What operators see: the status of a driver, and the applications that show it."""

from .metrics import register_metrics, unregister_metrics
from .status import (
    BotStatus,
    CallStatus,
    GoneStatus,
    LoopStatus,
    MessageStatus,
    Status,
    WebhookStatus,
    WorkStatus,
)

__all__ = [
    "BotStatus",
    "CallStatus",
    "GoneStatus",
    "LoopStatus",
    "MessageStatus",
    "Status",
    "WebhookStatus",
    "WorkStatus",
    "register_metrics",
    "unregister_metrics",
]
