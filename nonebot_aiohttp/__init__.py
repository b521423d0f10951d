"""The all-in-one NoneBot driver on aiohttp: one event loop, one server, one connection pool.

The names here are public. Each is imported when it is first used: ``nonebot_aiohttp.testing`` must
not bring the driver along, and ``Env``, ``Config`` and ``load_config`` need the extra
``standalone`` (pydantic-settings).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters import Bot
    from .config import Config as Config
    from .config import Env as Env
    from .config import load_config as load_config
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

_NAMES = {
    "adapters": ("Bot",),
    "config": ("Config", "Env", "load_config"),
    "drivers": (
        "ForwardDriver",
        "HTTPConnection",
        "HTTPPollingSetup",
        "HTTPRequest",
        "HTTPResponse",
        "ReverseDriver",
        "WebSocket",
        "WebSocketSetup",
    ),
    "exceptions": (
        "ApiNotAvailable",
        "DuplicateBotError",
        "FastAPINeeded",
        "LifecycleError",
        "MockApiException",
        "NonebotAiohttpError",
        "ReceiveConflict",
        "RegistrationError",
        "SetupError",
        "StartupError",
        "ValidationError",
        "WebSocketClosed",
        "WebSocketError",
        "WebSocketNotAccepted",
    ),
    "log": ("logger",),
    "options": ("DriverOptions",),
    "standalone": ("Driver",),
}
"""Where each name is defined.

Those of ``config`` are not in ``__all__``, because a star import must not need pydantic-settings.
"""

_PLACES = {name: module for module, names in _NAMES.items() for name in names}

_MODULES = (
    "adapters",
    "connections",
    "driver",
    "drivers",
    "exceptions",
    "forward",
    "hosts",
    "life",
    "log",
    "operations",
    "options",
    "registration",
    "reverse",
    "settings",
    "standalone",
)
"""Modules that are attributes without an import of their own: the package used to import them."""


def __getattr__(name: str) -> Any:
    """Import a name or a module on first use; from then on it is in the package's namespace."""
    if name in _PLACES:
        value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        # Not `from . import`, which would look for the attribute again, and never end.
        return import_module(f"{__name__}.{name}")
    text = f"module {__name__!r} has no attribute {name!r}"
    if name == "Mixin":
        # NoneBot looks for it where DRIVER has more than one part.
        text += ": for NoneBot2 write nonebot_aiohttp.nonebot2, as in"
        text += " DRIVER=~fastapi+nonebot_aiohttp.nonebot2"
    raise AttributeError(text)


def __dir__() -> list[str]:
    """List the names of a star import, and what is there already.

    Not what needs an extra or warns: ``inspect.getmembers`` takes all that is listed.
    """
    return sorted({*globals(), *__all__})
