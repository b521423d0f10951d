"""The all-in-one NoneBot driver on aiohttp: one event loop, one server, one connection pool.

The names here are public. ``Env``, ``Config`` and ``load_config`` need the extra ``standalone``
(pydantic-settings), and are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .adapters import Bot
from .drivers import (
    ForwardDriver,
    HTTPConnection,
    HTTPPollingSetup,
    HTTPRequest,
    HTTPResponse,
    ReverseDriver,
    WebSocket,
    WebSocketSetup,
)
from .exceptions import (
    ApiNotAvailable,
    DuplicateBotError,
    FastAPINeeded,
    LifecycleError,
    MockApiException,
    NonebotAiohttpError,
    ReceiveConflict,
    RegistrationError,
    SetupError,
    StartupError,
    ValidationError,
    WebSocketClosed,
    WebSocketError,
    WebSocketNotAccepted,
)
from .log import logger
from .options import DriverOptions
from .standalone import Driver

if TYPE_CHECKING:
    from .config import Config as Config
    from .config import Env as Env
    from .config import load_config as load_config

__version__ = "0.1.0"

__all__ = (
    "ApiNotAvailable",
    "Bot",
    "Driver",
    "DriverOptions",
    "DuplicateBotError",
    "FastAPINeeded",
    "ForwardDriver",
    "HTTPConnection",
    "HTTPPollingSetup",
    "HTTPRequest",
    "HTTPResponse",
    "LifecycleError",
    "MockApiException",
    "NonebotAiohttpError",
    "ReceiveConflict",
    "RegistrationError",
    "ReverseDriver",
    "SetupError",
    "StartupError",
    "ValidationError",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketNotAccepted",
    "WebSocketSetup",
    "__version__",
    "logger",
)

# They are not in __all__, because a star import must not need pydantic-settings.
_LAZY = ("Config", "Env", "load_config")


def __getattr__(name: str) -> Any:
    """Import ``config`` on first use, because it needs pydantic-settings.

    So it is with ``driver``, because it warns. ``import nonebot_aiohttp`` used to bring it along.
    """
    if name in _LAZY:
        from . import config

        return getattr(config, name)
    if name == "driver":
        # Not `from . import driver`, which would look for the attribute again, and never end.
        return import_module(f"{__name__}.driver")
    text = f"module {__name__!r} has no attribute {name!r}"
    if name == "Mixin":
        # NoneBot looks for it where DRIVER has more than one part.
        text += ": for NoneBot2 write nonebot_aiohttp.nonebot2, as in"
        text += " DRIVER=~fastapi+nonebot_aiohttp.nonebot2"
    raise AttributeError(text)
