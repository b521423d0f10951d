"""``Received``: a message of a WebSocket, and what answers one by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..common.timeline import shown
from .matching import Where, differences, has_part
from .replies import Json, Replies

if TYPE_CHECKING:
    from .websockets import Connection


@dataclass(frozen=True, eq=False)
class Received:
    """A message from the bot: `data` is text or bytes."""

    data: str | bytes
    _connection: Connection = field(repr=False)

    @property
    def text(self) -> str:
        """The message as text; bytes are taken as UTF-8."""
        return self.data if isinstance(self.data, str) else self.data.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The message as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.data)

    async def reply(self, data: Json) -> None:
        """Send an answer over the same connection; see `Connection.send`."""
        await self._connection.send(data)

    def is_so(self, where: Where) -> bool:
        """Tell whether it is what a test has described; see `Connection.expect`."""
        if where is None:
            return True
        if callable(where):
            return bool(where(self))
        if not isinstance(where, Mapping):
            return self.data == where
        try:
            return has_part(self.json, where)
        except ValueError:
            return False

    def difference(self, where: Where) -> str:
        """Tell why it is not what a test has described."""
        text = f"it got {shown(self.data)}"
        if not isinstance(where, Mapping):
            return text
        try:
            return "\n".join([text, *(f"    {line}" for line in differences(self.json, where))])
        except ValueError:
            return f"{text}\n    which is not JSON"


@dataclass(frozen=True)
class Closed:
    """How a WebSocket has ended: the bot's code and reason, 1006 where no close frame came."""

    code: int
    reason: str = ""


class AutomaticReplies:
    """What a connection answers by itself to messages of one kind."""

    def __init__(self, where: Where) -> None:
        """Answer the messages that are so; see `Connection.on`.

        They wait for what may come, such as heartbeats. So one may stay unused.
        """
        self.where = where
        self.replies = Replies()

    def reply(
        self, data: Json | Callable[[Received], Any], *, times: int | None = None
    ) -> AutomaticReplies:
        """Add an answer; several are given one after the other, the last one again and again.

        Args:
            data: JSON, text or bytes as in `Connection.send`; or a function of the message that
                makes one of these, or None for no answer. It may be async.
            times: How often it is given; see `Route.reply`.
        """
        self.replies.add(data, times)
        return self
