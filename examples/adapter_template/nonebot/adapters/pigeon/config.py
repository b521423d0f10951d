"""The adapter's settings, which users write into their ``.env`` in capitals."""

from pydantic import BaseModel, Field


class Config(BaseModel):
    """What the adapter reads of NoneBot's settings.

    Attributes:
        pigeon_root: The URL of Pigeon's API. Without it there are no calls over HTTP.
        pigeon_token: What a WebSocket has to show to the bot, and the bot to the API. Without it
            all WebSockets are refused.
        pigeon_secret: The key of the webhooks' signatures. Without it all webhooks are refused.
        pigeon_polling: Ids of the bots that poll.
        pigeon_gateway: Ids of the bots that connect to Pigeon's WebSocket.
        pigeon_reconnect: Seconds before the first new attempt, after one that has failed. They
            double with each attempt that fails.
        pigeon_reconnect_max: The most seconds before a new attempt.
        pigeon_poll_timeout: Seconds that a poll may last, more than Pigeon holds it.
        pigeon_idle: Seconds without a message after which the bot opens its WebSocket anew, because
            not every driver notices that a peer has vanished. None waits for ever.
    """

    pigeon_root: str = ""
    pigeon_token: str = Field(default="", repr=False)
    pigeon_secret: str = Field(default="", repr=False)
    pigeon_polling: list[str] = Field(default_factory=list)
    pigeon_gateway: list[str] = Field(default_factory=list)
    pigeon_reconnect: float = Field(default=1.0, gt=0)
    pigeon_reconnect_max: float = Field(default=60.0, gt=0)
    pigeon_poll_timeout: float = Field(default=65.0, gt=0)
    pigeon_idle: float | None = Field(default=300.0, gt=0)
