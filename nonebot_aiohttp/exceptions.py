"""The errors of this package, in one tree.

::

    NonebotAiohttpError
    ├── ValidationError (also ValueError)       a setting has a wrong value
    ├── RegistrationError (also TypeError, ValueError)  an adapter or a hook cannot be one
    ├── SetupError (also ValueError)            a forward setup can never work
    ├── StartupError (also RuntimeError)        the driver could not start
    ├── LifecycleError (also RuntimeError)      a call does not fit the driver's state
    ├── FastAPINeeded (also AttributeError)     an aiohttp application was used as FastAPI's
    ├── DuplicateBotError                       another live connection holds the bot's id
    ├── WebSocketError
    │   ├── WebSocketClosed (also ConnectionError)      the connection has ended
    │   ├── WebSocketNotAccepted (also RuntimeError)    used before ``accept()``
    │   └── ReceiveConflict (also RuntimeError)         the driver itself reads the messages
    ├── ApiNotAvailable (also RuntimeError)     the bot has no way to call an API
    └── MockApiException                        a hook answers an API call itself

Their messages do not show tokens, signatures, queries, or paths that could hold these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class NonebotAiohttpError(Exception):
    """Base of all errors of this package."""


class ValidationError(NonebotAiohttpError, ValueError):
    """A setting has a wrong value.

    The message has a line for each wrong setting: where it stands, what is wrong, and what to write
    instead.

    Attributes:
        settings: The names of the wrong settings (``"aiohttp_heartbeat"``).
    """

    def __init__(self, problems: Mapping[str, str], lines: Sequence[str] = ()) -> None:
        """Make an error of one or more settings.

        Args:
            problems: Descriptions of what is wrong, by the name of the setting.
            lines: The message, a line for each setting; by default it is made of ``problems``.
        """
        self.settings = tuple(problems)
        lines = lines or [f"{name}: {text}" for name, text in problems.items()]
        if len(lines) > 1:
            lines = [f"{len(lines)} settings are wrong:", *lines]
        super().__init__("\n".join(lines))


class RegistrationError(NonebotAiohttpError, TypeError, ValueError):
    """What was registered cannot be an adapter, the name of one, or a hook; nothing has changed."""


class SetupError(NonebotAiohttpError, ValueError):
    """A forward setup can never work: the driver does not start, or does not try it again.

    Its URL is not valid, for example, its adapter is not registered, or aiohttp does not speak its
    HTTP version.
    """


class StartupError(NonebotAiohttpError, RuntimeError):
    """The driver could not start. If a hook has failed, ``__cause__`` is its error."""


class LifecycleError(NonebotAiohttpError, RuntimeError):
    """A call does not fit the driver's state; for example, it uses the session before the start."""


class FastAPINeeded(NonebotAiohttpError, AttributeError):
    """The driver's aiohttp application was used as if it were a FastAPI application."""


class DuplicateBotError(NonebotAiohttpError):
    """Another connection holds the bot's id, and is alive or may not be replaced.

    Attributes:
        self_id: The bot's id.
    """

    def __init__(self, self_id: str) -> None:
        """Make an error that names the bot."""
        self.self_id = self_id
        super().__init__(f"bot {self_id} is already connected")


class WebSocketError(NonebotAiohttpError):
    """Base of the errors of a WebSocket."""


class WebSocketClosed(WebSocketError, ConnectionError):
    """The connection has ended: closed by either side, or lost.

    Attributes:
        code: The close code (RFC 6455, section 7.4). 1005 stands for a close frame without a code,
            1006 for an end without a close frame.
        reason: The peer's reason, or what is known about a lost connection; it may be empty.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        """Make an error that says how the connection has ended.

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
    """``receive()`` was called while the driver reads the messages for ``handle_message``."""


class ApiNotAvailable(NonebotAiohttpError, RuntimeError):
    """The bot cannot call an API: it has no WebSocket, and no API URL is configured for it."""


class MockApiException(NonebotAiohttpError):
    """A hook of ``Bot.on_calling_api`` raises this to answer the call itself.

    Name and meaning are NoneBot's.

    Attributes:
        result: The answer, which the caller of the API gets.
    """

    def __init__(self, result: Any) -> None:
        """Make an exception that carries an answer.

        Args:
            result: The answer, which the caller of the API gets.
        """
        self.result = result
        super().__init__("a hook answered the API call")
