"""``Bot``, the base class of a protocol adapter, as NoneBot 2.0.0a16 has it.

An adapter decides in ``check_permission`` who may connect, takes what arrives in
``handle_message``, and speaks to its platform in ``_call_api``.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .exceptions import MockApiException
from .life.hooks import call_hook, hook_name
from .log import log_exception

if TYPE_CHECKING:
    from .config import Config
    from .drivers import Driver, HTTPConnection, HTTPResponse

T_CallingAPIHook = Callable[["Bot", str, "dict[str, Any]"], Awaitable[None]]
T_CalledAPIHook = Callable[
    ["Bot", "Exception | None", str, "dict[str, Any]", Any],
    Awaitable[None],
]

_Hook = TypeVar("_Hook", bound=Callable[..., Any])
_Bot = TypeVar("_Bot", bound="Bot")


class Bot(abc.ABC):
    """One bot account on one connection; subclass it to write an adapter.

    Hooks of ``on_calling_api`` and ``on_called_api`` belong to the class on which they are
    registered and run for the bots of it and of its subclasses.

    Attributes:
        driver: The driver that made this bot.
        config: That driver's configuration.
        self_id: The id of the account.
        request: The request or the WebSocket by which the bot came. Its ``type`` tells which:
            ``"http"`` or ``"websocket"``.
    """

    driver: Driver
    config: Config
    _calling_api_hook: dict[T_CallingAPIHook, None] = {}
    _called_api_hook: dict[T_CalledAPIHook, None] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._calling_api_hook = {}
        cls._called_api_hook = {}

    def __init__(self, self_id: str, request: HTTPConnection) -> None:
        """Make a bot; the driver does.

        Args:
            self_id: The id of the account.
            request: The request or the WebSocket by which the bot came.
        """
        self.self_id = self_id
        self.request = request

    def __repr__(self) -> str:
        return f"<Bot type={self.type!r} self_id={self.self_id!r}>"

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Make ``bot.some_api(**data)`` a shorthand of ``bot.call_api("some_api", **data)``."""
        # Private and special names are never APIs: copy, pickle and inspect probe for them.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return partial(self.call_api, name)

    @property
    @abc.abstractmethod
    def type(self) -> str:
        """Name of the adapter."""

    @classmethod
    def register(cls, driver: Driver, config: Config, **kwargs: Any) -> None:
        """Take note of the driver that registers this adapter.

        Override it to read settings or to set up forward connections, and call ``super()``.

        Args:
            driver: The driver.
            config: The driver's configuration.
            **kwargs: What was given to ``driver.register_adapter``.
        """
        cls.driver = driver
        cls.config = config

    @classmethod
    @abc.abstractmethod
    async def check_permission(
        cls, driver: Driver, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Decide whether a request or a WebSocket handshake is the platform's.

        Args:
            driver: The driver that received it.
            request: An ``HTTPRequest``, or a ``WebSocket`` that is not accepted yet.

        Returns:
            The bot's id, or None to refuse, and the response: the answer to a webhook, or to
            the refused. None is 200 to a webhook with an id, and 401 to the refused.
        """

    @abc.abstractmethod
    async def handle_message(self, message: bytes) -> Any:
        """Take one message.

        Args:
            message: The body of a webhook or of a poll's answer, or one WebSocket message.
        """

    @abc.abstractmethod
    async def _call_api(self, api: str, **data: Any) -> Any:
        """Call an API of the platform.

        Args:
            api: Name of the API.
            **data: Its parameters.
        """

    @abc.abstractmethod
    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send a message to where an event came from.

        Args:
            event: The event to answer.
            message: The message.
            **kwargs: What else the adapter knows.
        """

    async def call_api(self, api: str, **data: Any) -> Any:
        """Call an API of the platform and run the hooks around it.

        A hook that raises ``MockApiException`` answers the call itself; any other error of a
        hook is logged and stops nobody.

        Args:
            api: Name of the API.
            **data: Its parameters.

        Returns:
            What the platform answered.

        Raises:
            Exception: Whatever the adapter's ``_call_api`` raises.
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
            ``func``, so that this serves as a decorator.
        """
        cls._calling_api_hook[func] = None
        return func

    @classmethod
    def on_called_api(cls, func: _Hook) -> _Hook:
        """Register a function that runs after each API call.

        Args:
            func: ``func(bot, exception, api, data, result)``, sync or async; ``exception`` is
                None when the call succeeded.

        Returns:
            ``func``, so that this serves as a decorator.
        """
        cls._called_api_hook[func] = None
        return func

    @classmethod
    def _hooks(cls, table: str) -> Iterator[Callable[..., Any]]:
        """Yield the hooks of this class, those of its bases first."""
        for base in reversed(cls.__mro__):
            yield from tuple(vars(base).get(table, ()))

    async def _run_hooks(self, table: str, kind: str, *args: Any) -> None:
        for hook in self._hooks(table):
            try:
                await call_hook(hook, *args)
            except MockApiException:
                raise
            except Exception as error:
                log_exception("ERROR", f"The {kind}-API hook {hook_name(hook)} failed", error)


def create_bot(adapter: type[_Bot], driver: Driver, self_id: str, request: HTTPConnection) -> _Bot:
    """Make a bot that knows its own driver, so that one class can serve two drivers.

    Args:
        adapter: The adapter's class. Adapters of other frameworks serve as well.
        driver: The driver that the bot's ``driver`` shall be, and its configuration the bot's
            ``config``.
        self_id: The id of the account.
        request: The request or the WebSocket by which the bot comes.

    Returns:
        The bot.
    """
    bot = adapter.__new__(adapter)
    # Before __init__, which may use them already.
    bot.driver = driver
    bot.config = driver.config
    bot.__init__(self_id, request)  # type: ignore[misc]
    return bot
