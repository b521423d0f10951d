"""Messages. Pigeon has text alone; a platform with pictures has a kind of segment for each."""

from collections.abc import Iterable

from nonebot.adapters import Message as BaseMessage
from nonebot.adapters import MessageSegment as BaseMessageSegment
from typing_extensions import override


class MessageSegment(BaseMessageSegment["Message"]):
    """A part of a message."""

    @classmethod
    @override
    def get_message_class(cls) -> type["Message"]:
        return Message

    @override
    def __str__(self) -> str:
        return str(self.data["text"]) if self.is_text() else f"[{self.type}]"

    @override
    def is_text(self) -> bool:
        return self.type == "text"

    @staticmethod
    def text(text: str) -> "MessageSegment":
        """Make a segment of text."""
        return MessageSegment("text", {"text": text})


class Message(BaseMessage[MessageSegment]):
    """A message: a list of segments."""

    @classmethod
    @override
    def get_segment_class(cls) -> type[MessageSegment]:
        return MessageSegment

    @staticmethod
    @override
    def _construct(msg: str) -> Iterable[MessageSegment]:
        # Also of an empty text, because NoneBot looks at the first segment of each message.
        yield MessageSegment.text(msg)
