"""Events."""

from typing import Any, Literal

from nonebot.adapters import Event as BaseEvent
from nonebot.compat import type_validate_python
from typing_extensions import override

from .log import shown
from .message import Message


class Event(BaseEvent):
    """An event of a kind that this adapter does not know, or the base of one that it knows.

    Attributes:
        id: Its number; later events have higher ones.
        type: Its kind.
    """

    id: int
    type: str

    @override
    def get_type(self) -> str:
        return "notice"

    @override
    def get_event_name(self) -> str:
        return self.type

    @override
    def get_event_description(self) -> str:
        return str(self.id)

    @override
    def get_log_string(self) -> str:
        # NoneBot logs it with colours, for which what Pigeon sends must not be taken. A text of
        # millions of characters would hold up the bot for seconds.
        return shown(super().get_log_string())

    @override
    def get_user_id(self) -> str:
        raise ValueError(f"an event of Pigeon of the kind {self.type} names nobody")

    @override
    def get_session_id(self) -> str:
        raise ValueError(f"an event of Pigeon of the kind {self.type} has no chat")

    @override
    def get_message(self) -> Message:
        raise ValueError(f"an event of Pigeon of the kind {self.type} has no message")

    @override
    def is_tome(self) -> bool:
        return False


class MessageEvent(Event):
    """Somebody has said something to the bot.

    Attributes:
        chat: The chat in which it was said.
        text: What was said.
    """

    type: Literal["message"]
    chat: str
    text: str

    @override
    def get_type(self) -> str:
        return "message"

    @override
    def get_event_description(self) -> str:
        return f"{self.id} in {self.chat}: {self.text}"

    @override
    def get_user_id(self) -> str:
        # Pigeon does not say who it was.
        return self.chat

    @override
    def get_session_id(self) -> str:
        return self.chat

    @override
    def get_message(self) -> Message:
        return Message(self.text)

    @override
    def is_tome(self) -> bool:
        return True


MODELS: dict[str, type[Event]] = {"message": MessageEvent}


def make_event(data: Any) -> Event:
    """Make an event of what Pigeon has sent.

    Raises:
        ValueError: It is no event.
    """
    kind = data.get("type") if isinstance(data, dict) else None
    model = MODELS.get(kind, Event) if isinstance(kind, str) else Event
    return type_validate_python(model, data)
