"""``Bot``, the base class of a protocol adapter, as NoneBot 2.0.0a16 has it.

An adapter decides in ``check_permission`` who may connect, handles messages in ``handle_message``,
and calls its platform's API in ``_call_api``.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .exceptions import MockApiException, RegistrationError
from .life.hooks import call_hook, hook_name
from .log import log_exception
from .log.naming import about
from .registration import class_name, hook_problem

if TYPE_CHECKING:
    # Type checkers bring it along; its parameter ``default`` is that of Python 3.13's TypeVar.
    import typing_extensions

    from . import drivers
    from .config import Config
    from .drivers import HTTPConnection, HTTPResponse
    from .standalone import Driver

    _Config_co = typing_extensions.TypeVar("_Config_co", covariant=True, default=Config)
else:
    _Config_co = TypeVar("_Config_co", covariant=True)

T_CallingAPIHook = Callable[["Bot", str, "dict[str, Any]"], Awaitable[None]]
T_CalledAPIHook = Callable[
    ["Bot", "Exception | None", str, "dict[str, Any]", Any],
    Awaitable[None],
]

_CALLED = ("bot", "exception", "api", "data", "result")

_SET_BY = {
    "driver": "the driver sets it when it makes the bot",
    "config": "the driver sets it when it makes the bot",
    "self_id": "call super().__init__(self_id, request) first",
    "request": "call super().__init__(self_id, request) first",
}
"""What a bot has before it is used, by which each is set. They are never names of APIs."""

_Hook = TypeVar("_Hook", bound=Callable[..., Any])
_Bot = TypeVar("_Bot", bound="Bot[Any]")


class Bot(abc.ABC, Generic[_Config_co]):
    """One bot account on one connection; subclass it to write an adapter.

    An adapter with settings of its own names their class, for type checkers. Then ``self.config``,
    ``driver.config`` and the parameters of ``register`` have its attributes::

        class Settings(Config):
            platform_url: str

        class MyBot(Bot[Settings]):
            @classmethod
            async def check_permission(
                cls, driver: Driver[Settings], request: HTTPConnection
            ) -> tuple[str | None, HTTPResponse | None]: ...

    Where only ``self.config`` is used, the line ``config: Settings`` in the class does as well.

    Hooks of ``on_calling_api`` and ``on_called_api`` belong to the class on which they are
    registered. They run for the bots of this class and of its subclasses. ``remove_api_hook`` takes
    one back.

    An attribute that a bot does not have is an API of its platform, see ``__getattr__``.

    Attributes:
        driver: The driver that has made this bot. The driver sets all four before ``__init__``.
        config: The configuration of that driver; without a parameter of the class a ``Config``.
        self_id: The id of the account.
        request: The request or the WebSocket over which the bot has connected. Its ``type`` is
            ``"http"`` or ``"websocket"``. For a forward connection it has the scheme, path, query
            and headers of the setup: header names are lowercase, and ``host`` is added.
    """

    driver: Driver[_Config_co]
    config: _Config_co
    self_id: str
    request: HTTPConnection
    _calling_api_hook: dict[T_CallingAPIHook, None] = {}
    _called_api_hook: dict[T_CalledAPIHook, None] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._calling_api_hook = {}
        cls._called_api_hook = {}

    def __init__(self, self_id: str, request: HTTPConnection) -> None:
        """Make a bot; only the driver calls this.

        Args:
            self_id: The id of the account.
            request: The request or the WebSocket over which the bot connects.
        """
        self.self_id = self_id
        self.request = request

    def __repr__(self) -> str:
        return f"<Bot type={self.type!r} self_id={getattr(self, 'self_id', None)!r}>"

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Make ``bot.some_api(**data)`` short for ``bot.call_api("some_api", **data)``.

        It serves every attribute that the bot does not have. So a misspelt attribute is an API
        call, and neither Python nor a type checker says that it is wrong.

        Args:
            name: Name of the API.

        Returns:
            A function that takes the parameters of the API as keywords and returns an awaitable.

        Raises:
            AttributeError: The name begins with an underscore, or it is ``driver``, ``config``,
                ``self_id`` or ``request`` and is not set yet.
        """
        if name in _SET_BY:
            kind = type(self).__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}: {_SET_BY[name]}")
        # A private or special name is not an API: copy, pickle and inspect probe for such names.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return partial(self.call_api, name)

    @property
    @abc.abstractmethod
    def type(self) -> str:
        """Name of the adapter."""

    @classmethod
    def register(
        cls,
        driver: Driver[_Config_co],
        config: _Config_co,  # type: ignore[misc]
        **kwargs: Any,
    ) -> None:
        """Store the driver that registers this adapter.

        Override it to read settings or to set up forward connections, and call ``super()``.

        Args:
            driver: The driver.
            config: The driver's configuration.
            **kwargs: The further arguments of ``driver.register_adapter``.
        """
        cls.driver = driver
        cls.config = config

    @classmethod
    @abc.abstractmethod
    async def check_permission(
        cls, driver: Driver[_Config_co], request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Decide whether a request or a WebSocket handshake comes from the platform.

        Args:
            driver: The driver that has received it.
            request: An ``HTTPRequest``, or a ``WebSocket`` that is not accepted yet.

        Returns:
            The bot's id, or None to refuse; and the response to a webhook or to a refused
            handshake. A response of None is 200 if there is an id, and 401 if there is not.
        """

    @abc.abstractmethod
    async def handle_message(self, message: bytes) -> Any:
        """Handle one message, in a task of its own; an error is logged.

        The messages of a connection are handled at the same time. Their tasks begin in the order in
        which the messages came, and maybe before the connect hooks have ended. What this method
        does before its first ``await`` that waits has happened before the next poll is made: before
        the function of ``setup_http_polling`` is called again. So keep an offset there.

        Args:
            message: The body of a webhook or of a poll's answer, or one WebSocket message.
        """

    @abc.abstractmethod
    async def _call_api(self, api: str, **data: Any) -> Any:
        """Call an API of the platform; only ``call_api`` calls this, with the hooks around it.

        Every adapter writes it. ``ApiNotAvailable`` is the error for a bot without a way to call.

        Args:
            api: Name of the API.
            **data: Parameters of the API.

        Returns:
            The platform's answer.
        """

    @abc.abstractmethod
    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send a message to the chat that an event came from.

        Args:
            event: The event to answer.
            message: The message.
            **kwargs: Arguments that the adapter defines.
        """

    async def call_api(self, api: str, **data: Any) -> Any:
        """Call an API of the platform, with the hooks before and after the call.

        A hook that raises ``MockApiException`` answers the call itself. Any other error of a hook
        is logged, and the call goes on.

        Args:
            api: Name of the API.
            **data: Parameters of the API.

        Returns:
            The platform's answer.

        Raises:
            Exception: Any error of the adapter's ``_call_api``.
        """
        result, error = None, None
        try:
            await self._run_hooks("_calling_api_hook", "calling", self, api, data)
            result = await self._call_api(api, **data)
        except MockApiException as mock:
            result = mock.result
        except Exception as exception:
            error = exception
        try:
            await self._run_hooks("_called_api_hook", "called", self, error, api, data, result)
        except MockApiException as mock:
            return mock.result
        if error is not None:
            raise error
        return result

    @classmethod
    def on_calling_api(cls, func: _Hook) -> _Hook:
        """Register a function that runs before each API call.

        Args:
            func: ``func(bot, api, data)``, sync or async. It may change ``data``.

        Returns:
            ``func``, so that the method is a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called so.
        """
        if problem := hook_problem("on_calling_api", func, "bot", "api", "data"):
            raise RegistrationError(problem)
        cls._calling_api_hook[func] = None
        return func

    @classmethod
    def on_called_api(cls, func: _Hook) -> _Hook:
        """Register a function that runs after each API call.

        Args:
            func: ``func(bot, exception, api, data, result)``, sync or async. ``exception`` is
                None if the call has succeeded.

        Returns:
            ``func``, so that the method is a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called so.
        """
        if problem := hook_problem("on_called_api", func, *_CALLED):
            raise RegistrationError(problem)
        cls._called_api_hook[func] = None
        return func

    @classmethod
    def remove_api_hook(cls, func: Callable[..., Any]) -> None:
        """Unregister a function of ``on_calling_api``, of ``on_called_api``, or of both.

        A test that answers calls by a hook takes it back so. An API call that has begun may still
        run it.

        Args:
            func: The function, as it was registered on this class.

        Raises:
            RegistrationError: It is not registered on this class. Bases and subclasses have hooks
                of their own.
        """
        tables: tuple[dict[Any, None], ...] = (cls._calling_api_hook, cls._called_api_hook)
        if not any(func in table for table in tables):
            raise RegistrationError(
                f"{hook_name(func)} is not an API hook of {class_name(cls)}: remove it from the"
                " class on which it was registered"
            )
        for table in tables:
            table.pop(func, None)

    @classmethod
    def _hooks(cls, table: str) -> Iterator[Callable[..., Any]]:
        """Yield the hooks of this class, those of its bases first."""
        for base in reversed(cls.__mro__):
            # Most bases have none, and every API call asks twice.
            if hooks := vars(base).get(table):
                yield from tuple(hooks)

    async def _run_hooks(self, table: str, kind: str, *args: Any) -> None:
        for hook in self._hooks(table):
            try:
                await call_hook(hook, *args)
            except MockApiException:
                raise
            except Exception as error:
                text = f"The {kind}-API hook {hook_name(hook)} failed"
                whose = about(_adapter_of(self), getattr(self, "self_id", None))
                log_exception("ERROR", text, error, **whose)


def _adapter_of(bot: Bot[Any]) -> str:
    """Return the name under which a bot's class is registered, or else its own."""
    adapters = getattr(getattr(bot, "driver", None), "_adapters", {})
    return next((name for name, each in adapters.items() if each is type(bot)), bot.type)


def create_bot(
    adapter: type[_Bot], driver: drivers.Driver, self_id: str, request: HTTPConnection
) -> _Bot:
    """Make a bot that has its own driver, so that two drivers can share one adapter class.

    The class need not be a subclass of this package's ``Bot``.
    """
    bot = adapter.__new__(adapter)
    # They are set first, because the adapter's __init__ may use them, and may not call super().
    try:
        bot.driver = driver  # type: ignore[assignment]
        bot.config = driver.config
        bot.self_id = self_id
        bot.request = request
    except Exception:
        _set_what_can_be(bot, driver=driver, config=driver.config, self_id=self_id, request=request)
    bot.__init__(self_id, request)  # type: ignore[misc]
    return bot


def _set_what_can_be(bot: object, **attributes: object) -> None:
    """Set attributes, but for those that are properties which cannot be set yet."""
    for name, value in attributes.items():
        with suppress(Exception):
            setattr(bot, name, value)
