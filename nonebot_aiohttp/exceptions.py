"""Every error that this package raises of its own, in one tree.

::

    NonebotAiohttpError
    ├── ValidationError (also ValueError)       a setting has a wrong value
    ├── SetupError (also ValueError)            a forward setup can never work as it is
    ├── StartupError (also RuntimeError)        the driver could not start
    ├── LifecycleError (also RuntimeError)      a call that does not fit the driver's state
    ├── FastAPINeeded (also AttributeError)     an aiohttp application was taken for FastAPI's
    ├── DuplicateBotError                       another live connection holds the bot's id
    ├── WebSocketError
    │   ├── WebSocketClosed (also ConnectionError)      the connection has ended
    │   ├── WebSocketNotAccepted (also RuntimeError)    used before ``accept()``
    │   └── ReceiveConflict (also RuntimeError)         the driver's reader owns ``receive()``
    ├── ApiNotAvailable (also RuntimeError)     the bot has no way to call an API
    └── MockApiException                        a hook answers an API call itself

No message holds a token, a signature, a query or a path that could carry one.
"""

from __future__ import annotations

from typing import Any


class NonebotAiohttpError(Exception):
    """Base of all errors of this package."""


class ValidationError(NonebotAiohttpError, ValueError):
    """A setting has a wrong value.

    Attributes:
        settings: The names of the wrong settings, as the user writes them
            (``"aiohttp_heartbeat"``).
    """

    def __init__(self, problems: dict[str, str]) -> None:
        """Describe what is wrong.

        Args:
            problems: What is wrong, by the name of the setting.
        """
        self.settings = tuple(problems)
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))


class SetupError(NonebotAiohttpError, ValueError):
    """A forward setup can never work as it is, so that trying again is no use.

    A URL that is none, an adapter that nobody registered, an HTTP version that aiohttp lacks.
    """


class StartupError(NonebotAiohttpError, RuntimeError):
    """The driver could not start; ``__cause__`` holds what a hook raised, where one did."""


class LifecycleError(NonebotAiohttpError, RuntimeError):
    """A call does not fit the state of the driver, such as its session before the start."""


class FastAPINeeded(NonebotAiohttpError, AttributeError):
    """The driver's aiohttp application was treated as a FastAPI application."""


class DuplicateBotError(NonebotAiohttpError):
    """Another connection holds the bot's id, and it is alive or may not be replaced."""

    def __init__(self, self_id: str) -> None:
        """Name the bot.

        Args:
            self_id: The id that is taken.
        """
        self.self_id = self_id
        super().__init__(f"bot {self_id} is already connected")


class WebSocketError(NonebotAiohttpError):
    """Base of the errors of a WebSocket."""


class WebSocketClosed(WebSocketError, ConnectionError):
    """The connection has ended, whoever ended it and however.

    Attributes:
        code: The close code of RFC 6455, section 7.4; 1006 where the peer sent none.
        reason: The peer's words, or what was found out about a lost connection; may be empty.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        """Say how the connection ended.

        Args:
            code: The close code (RFC 6455, section 7.4).
            reason: Why, in words.
        """
        self.code = code
        self.reason = reason
        super().__init__(f"WebSocket closed with {code}" + (f": {reason}" if reason else ""))


class WebSocketNotAccepted(WebSocketError, RuntimeError):
    """The WebSocket was used before ``accept()``."""


class ReceiveConflict(WebSocketError, RuntimeError):
    """``receive()`` was called while the driver's own reader delivers the messages."""


class ApiNotAvailable(NonebotAiohttpError, RuntimeError):
    """The bot has no way to call an API: no socket, and no URL is configured for it."""


class MockApiException(NonebotAiohttpError):
    """Raised by a hook of ``Bot.on_calling_api`` to answer the call itself.

    The name and the meaning are NoneBot's.
    """

    def __init__(self, result: Any) -> None:
        """Take the answer.

        Args:
            result: What the caller of the API gets.
        """
        self.result = result
        super().__init__("a hook answered the API call")
