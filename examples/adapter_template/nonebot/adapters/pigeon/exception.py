"""The errors that an API call raises. Plugins catch NoneBot's classes, which are their bases."""

from nonebot.exception import ActionFailed as BaseActionFailed
from nonebot.exception import AdapterException
from nonebot.exception import ApiNotAvailable as BaseApiNotAvailable
from nonebot.exception import NetworkError as BaseNetworkError


class PigeonException(AdapterException):
    """The base of all errors of this adapter."""

    def __init__(self, message: str) -> None:
        """Take the text, which says what has failed and why."""
        super().__init__("Pigeon", message)
        self.message = message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"


class ActionFailed(BaseActionFailed, PigeonException):
    """Pigeon has refused a call; the text has Pigeon's own."""


class ApiNotAvailable(BaseApiNotAvailable, PigeonException):
    """The bot has no way to Pigeon's API."""


class NetworkError(BaseNetworkError, PigeonException):
    """Pigeon was not reached, has not answered in time, or has answered something else than JSON.

    Attributes:
        status: The status of its answer; None if it has not answered.
        retry_after: Seconds after which Pigeon wants to be asked again; None if it says nothing.
    """

    def __init__(
        self, message: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        """Take the text, and what is known of the answer."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
