"""One bot of Pigeon, over whichever ways it is connected."""

from typing import TYPE_CHECKING, Any

from nonebot.adapters import Bot as BaseBot
from nonebot.adapters import Event as BaseEvent
from nonebot.adapters import Message as BaseMessage
from nonebot.adapters import MessageSegment as BaseMessageSegment
from nonebot.message import handle_event
from typing_extensions import override

from .api import Socket
from .event import Event, MessageEvent

if TYPE_CHECKING:
    from .adapter import Adapter


class Bot(BaseBot):
    """A bot of Pigeon.

    Attributes:
        sockets: Its WebSockets. Calls go over the newest one, and over HTTP without any.
        ways: How many ways keep it connected, such as its WebSockets and its polls.
    """

    def __init__(self, adapter: "Adapter", self_id: str) -> None:
        """Make a bot without a way; see `Adapter.online`."""
        super().__init__(adapter, self_id)
        self.sockets: list[Socket] = []
        self.ways = 0

    async def handle_event(self, event: Event) -> None:
        """Give an event to the plugins. What a message means to all of them is found out here."""
        await handle_event(self, event)

    @override
    async def send(
        self,
        event: BaseEvent,
        message: "str | BaseMessage[Any] | BaseMessageSegment[Any]",
        **kwargs: Any,
    ) -> Any:
        """Answer in the chat of an event.

        Raises:
            ValueError: The event has no chat.
        """
        if not isinstance(event, MessageEvent):
            raise ValueError(f"{event.get_event_name()} has no chat to answer in")
        return await self.send_message(chat=event.chat, text=str(message), **kwargs)

    async def send_message(self, *, chat: str, text: str, **kwargs: Any) -> Any:
        """Say something in a chat.

        Plugins may call each API by its name: ``await bot.fly(height=3)``. Those with a method,
        such as this one, show their arguments to type checkers.

        Args:
            chat: The chat.
            text: What to say.
            kwargs: Further arguments of the API; ``_timeout`` is the seconds that the call may
                last, in the place of NoneBot's setting ``API_TIMEOUT``.

        Raises:
            ActionFailed: Pigeon has refused the call.
            ApiNotAvailable: The bot has no way to the API.
            NetworkError: Pigeon has not answered in time, or not as its document says.
        """
        return await self.call_api("send_message", chat=chat, text=text, **kwargs)
