"""``DriverApplication``: the driver's aiohttp application, which says that it is not FastAPI.

Plugins of NoneBot's store expect a FastAPI application. Without this they fail with errors such as
``'NoneType' object is not callable``, because here ``get`` looks a key up.
"""

from __future__ import annotations

from typing import Any, NoReturn

from aiohttp import web

from ..exceptions import FastAPINeeded

FASTAPI_NAMES = frozenset(
    {
        "add_api_route",
        "add_api_websocket_route",
        "add_event_handler",
        "add_exception_handler",
        "add_middleware",
        "add_route",
        "add_websocket_route",
        "api_route",
        "build_middleware_stack",
        "delete",
        "dependency_overrides",
        "exception_handler",
        "exception_handlers",
        "head",
        "host",
        "include_router",
        "middleware",
        "middleware_stack",
        "mount",
        "on_event",
        "openapi",
        "openapi_schema",
        "options",
        "patch",
        "post",
        "put",
        "route",
        "routes",
        "state",
        "trace",
        "url_path_for",
        "user_middleware",
        "websocket",
        "websocket_route",
    }
)
"""Names that a FastAPI application has and an aiohttp one does not; ``get`` both have."""


class _Quiet:
    """Hides ``web.Application.__init_subclass__``, which warns of each subclass.

    aiohttp discourages subclasses because their attributes may clash with its own. Here the names
    that are added only raise.
    """

    def __init_subclass__(cls) -> None:
        pass


class DriverApplication(_Quiet, web.Application):
    """An aiohttp application that tells a plugin which treats it as a FastAPI one."""

    ATTRS = web.Application.ATTRS | {"_fastapi_hint"}

    def __new__(cls, fastapi_hint: str) -> DriverApplication:
        """Make it of what ``web.Application`` is now, because tracing libraries replace that."""
        if not issubclass(cls, web.Application):
            cls = type(cls)(cls.__name__, (cls, web.Application), {})
        return super().__new__(cls)

    def __init__(self, fastapi_hint: str) -> None:
        """Make an application; ``fastapi_hint`` says what to do instead, for the error."""
        super().__init__()
        self._fastapi_hint = fastapi_hint

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Look a key up, as ``collections.abc.Mapping`` does.

        Raises:
            FastAPINeeded: The key is a path that nobody has put in, so FastAPI's ``get`` is meant.
        """
        key = args[0] if args else kwargs.get("key", kwargs.get("path"))
        is_path = isinstance(key, str) and (key.startswith("/") or not key)
        if (is_path and key not in self) or not kwargs.keys() <= {"key", "default"}:
            self._refuse("get")
        return super().get(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in FASTAPI_NAMES:
            self._refuse(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _refuse(self, name: str) -> NoReturn:
        refuse_fastapi("an aiohttp application", name, self._fastapi_hint)


def refuse_fastapi(kind: str, name: str, hint: str) -> NoReturn:
    """Raise ``FastAPINeeded`` for a name that an application of some kind does not have."""
    raise FastAPINeeded(f"This is {kind}, which has no FastAPI {name!r}: {hint}")
