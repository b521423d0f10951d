"""An adapter of NoneBot2 for the chat platform Pigeon."""

from .adapter import Adapter
from .bot import Bot
from .config import Config
from .event import Event, MessageEvent
from .exception import ActionFailed, ApiNotAvailable, NetworkError
from .message import Message, MessageSegment

__all__ = [
    "ActionFailed",
    "Adapter",
    "ApiNotAvailable",
    "Bot",
    "Config",
    "Event",
    "Message",
    "MessageEvent",
    "MessageSegment",
    "NetworkError",
]
