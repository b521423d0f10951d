"""What is wrong with an adapter or a hook is said when it is registered, at the user's own line."""

from __future__ import annotations

import asyncio
import functools
import traceback
import types
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from nonebot_aiohttp import Bot, NonebotAiohttpError, RegistrationError
from nonebot_aiohttp.reverse.adapter_endpoints import AdapterTarget, target_of
from nonebot_aiohttp.reverse.endpoints import decoded
from tests.support.bots import RecordingBot, make_driver, new_adapter
from tests.support.logs import Logs

HERE = __name__


def refused(name: Any, adapter: Any, **arguments: Any) -> str:
    """Give the text with which an adapter is refused; nothing may have been registered."""
    driver = make_driver()
    with pytest.raises(RegistrationError) as caught:
        driver.register_adapter(name, adapter, **arguments)
    assert driver._adapters == {}
    return str(caught.value)


def with_members(**members: Any) -> type[RecordingBot]:
    """Make an adapter that has other members than usual."""
    members["__qualname__"] = "MyBot"
    return type("MyBot", (RecordingBot,), {"__module__": "my_adapter", **members})


def test_it_is_an_error_of_the_package_of_types_and_of_values() -> None:
    for kind in (NonebotAiohttpError, TypeError, ValueError):
        assert issubclass(RegistrationError, kind)


class Half(Bot):
    """Lacks two methods."""

    @property
    def type(self) -> str:
        return "half"

    @classmethod
    async def check_permission(cls, driver: Any, request: Any) -> Any:
        return "1", None

    async def handle_message(self, message: bytes) -> None:
        pass


@pytest.mark.promise("registry: what cannot be an adapter is refused where it is registered")
@pytest.mark.parametrize(
    ("adapter", "text"),
    [
        (Half, f"{HERE}.Half cannot be an adapter: it lacks _call_api, send"),
        (
            Bot,
            "nonebot_aiohttp.adapters.Bot cannot be an adapter: it lacks _call_api,"
            " check_permission, handle_message, send, type",
        ),
        (
            object,
            "builtins.object cannot be an adapter: it lacks check_permission, handle_message,"
            " register: derive it from nonebot_aiohttp.Bot",
        ),
        (
            RecordingBot("1", None),  # type: ignore[arg-type]
            "An adapter is a class: pass tests.support.bots.RecordingBot itself, not an instance",
        ),
        (asyncio, "An adapter is a class, not a module: pass asyncio.Bot, for example"),
        (None, "An adapter is a class, not None"),
        ("my_adapter.MyBot", "An adapter is a class, not str"),
        (new_adapter, "An adapter is a class, not function"),
    ],
)
def test_what_is_not_an_adapter_is_refused(adapter: Any, text: str) -> None:
    assert refused("my", adapter) == text


def test_name_and_class_in_the_wrong_order() -> None:
    text = "The name of an adapter comes before its class: write register_adapter"
    assert refused(with_members(), "my") == f'{text}("my", my_adapter.MyBot)'


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it is empty, and no part of a path is; write one, as my in /my/ws"),
        ("my/adapter", "it has a slash, which separates the parts of a path; leave it out"),
        ("/my", "it has a slash, which separates the parts of a path; leave it out"),
        (".", "clients take it out of paths; write another one, as my in /my/ws"),
        ("..", "clients take it out of paths; write another one, as my in /my/ws"),
        ("my%20bot", "it is percent-encoded, but paths are decoded; write it decoded"),
        ("a%2Fb", "it is percent-encoded, but paths are decoded; write it decoded"),
        ("my\n", "it has characters that cannot be printed; leave them out"),
        ("a\x00", "it has characters that cannot be printed; leave them out"),
        ("\ud800", "it has characters that cannot be printed; leave them out"),
    ],
)
def test_a_name_that_no_path_can_have(name: str, reason: str) -> None:
    shown = f"{name!r} cannot be the name of an adapter"
    assert refused(name, new_adapter()) == f"{shown}: {reason}"


@pytest.mark.parametrize(("name", "kind"), [(None, "None"), (5, "int"), (b"my", "bytes")])
def test_a_name_that_is_not_text(name: Any, kind: str) -> None:
    assert refused(name, new_adapter()) == f"The name of an adapter must be text, not {kind}"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cqhttp", "/cqhttp/ws"),
        ("OneBot V11", "/OneBot%20V11/ws"),
        ("你好", "/%E4%BD%A0%E5%A5%BD/ws"),
        ("100%", "/100%25/ws"),
        ("a?b", "/a%3Fb/ws"),
        ("...", "/.../ws"),
        ("ws", "/ws/ws"),
    ],
)
def test_a_name_that_is_taken_has_a_path(name: str, path: str) -> None:
    make_driver().register_adapter(name, new_adapter())
    assert target_of(decoded(path)) == AdapterTarget(name, is_websocket=True)


def plain(self: Any, message: bytes) -> None:
    print(message)


def early(self: Any, message: bytes) -> Any:
    if not message:
        return None
    return (message, 5)


def generator(self: Any, message: bytes) -> Iterator[None]:
    yield


async def async_generator(self: Any, message: bytes) -> AsyncIterator[None]:
    yield


MUST_BE_ASYNC = "its handle_message must be async (async def handle_message)"


@pytest.mark.parametrize("function", [plain, early, generator, async_generator])
def test_a_handler_that_is_not_async(function: Any) -> None:
    adapter = with_members(handle_message=function)
    assert refused("my", adapter) == f"my_adapter.MyBot cannot be an adapter: {MUST_BE_ASYNC}"


def test_a_call_that_is_not_async() -> None:
    adapter = with_members(_call_api=lambda self, api, **data: {})
    assert "its _call_api must be async (async def _call_api)" in refused("my", adapter)


def test_send_may_be_sync_because_only_users_call_it() -> None:
    make_driver(with_members(send=lambda self, event, message, **more: None))


async def handle(self: Any, message: bytes) -> None:
    """Do nothing."""


def hands_on(self: Any, message: bytes) -> Any:
    return handle(self, message)


def sometimes(self: Any, message: bytes) -> Any:
    return handle(self, message) if message else None


def either(self: Any, message: bytes) -> Any:
    return message and handle(self, message)


def keeps(self: Any, message: bytes) -> Any:
    result = handle(self, message)
    return result


def raises(self: Any, message: bytes) -> Any:
    raise NotImplementedError


@functools.wraps(plain)
def in_a_thread(*args: Any) -> Any:
    return asyncio.to_thread(plain, *args)


def unmarked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate without a trace."""

    def wrapper(*args: Any, **more: Any) -> Any:
        return function(*args, **more)

    return wrapper


@types.coroutine
def old_style(self: Any, message: bytes) -> Iterator[None]:
    yield


class Handler:
    """Can be called."""

    async def __call__(self, message: bytes) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    "function",
    [
        handle,
        hands_on,
        sometimes,
        either,
        keeps,
        raises,
        in_a_thread,
        unmarked(handle),
        old_style,
        Handler(),
        staticmethod(Handler()),
        functools.partialmethod(handle),
        partial(handle, None),
        property(lambda self: partial(handle, self)),
    ],
)
def test_what_may_return_an_awaitable_passes(function: Any) -> None:
    make_driver(with_members(handle_message=function))


async def handle_two(self: Any, event: Any, message: Any) -> None:
    """Do nothing."""


def test_a_handler_that_takes_something_else() -> None:
    async def handle_message(self: Any) -> None:
        """Do nothing."""

    text = "its handle_message is called with (self, message), but takes (self)"
    assert refused("my", with_members(handle_message=handle_message)).endswith(text)
    text = "its handle_message is called with (message), but takes (self, message)"
    assert refused("my", with_members(handle_message=staticmethod(handle))).endswith(text)
    text = "its handle_message is called with (self, message), but takes (self, event, message)"
    assert refused("my", with_members(handle_message=handle_two)).endswith(text)
    text = "its handle_message must be a method, not int"
    assert refused("my", with_members(handle_message=5)).endswith(text)


async def check(cls: Any, driver: Any, request: Any) -> Any:
    """Let nobody in."""
    return None, None


async def check_two(driver: Any, request: Any) -> Any:
    """Let nobody in."""
    return None, None


def check_at_once(cls: Any, driver: Any, request: Any) -> Any:
    return request.headers.get("x-self-id"), None


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (check, "its check_permission lacks @classmethod"),
        (
            classmethod(check_two),
            "its check_permission is called with (driver, request), but takes (request)",
        ),
        (
            staticmethod(check),
            "its check_permission is called with (driver, request),"
            " but takes (cls, driver, request)",
        ),
        (
            classmethod(check_at_once),
            "its check_permission must be async (async def check_permission)",
        ),
        (None, "its check_permission must be a method, not None"),
    ],
)
def test_what_can_be_seen_of_check_permission(function: Any, problem: str) -> None:
    text = f"my_adapter.MyBot cannot be an adapter: {problem}"
    assert refused("my", with_members(check_permission=function)) == text


@pytest.mark.parametrize(
    "function",
    [
        check_two,
        staticmethod(check_two),
        classmethod(check),
        classmethod(unmarked(check_at_once)),
        classmethod(partial(check)),
    ],
)
def test_any_check_permission_that_the_driver_can_call_passes(function: Any) -> None:
    make_driver(with_members(check_permission=function))


def test_register_and_init_must_take_what_the_driver_gives() -> None:
    text = refused("my", with_members(register=classmethod(lambda cls, driver: None)))
    assert text.endswith("its register is called with (driver, config), but takes (driver)")
    text = refused("my", with_members(register=lambda cls, driver, config: None))
    assert text.endswith("its register lacks @classmethod")
    adapter = with_members(register=classmethod(lambda cls, driver, config: None))
    assert refused("my", adapter, token="secret").endswith(
        "its register is called with (driver, config, token), but takes (driver, config)"
    )
    text = refused("my", with_members(__init__=lambda self, self_id, *, request=5: None))
    assert text.endswith("(self, self_id, request), not (self, self_id, *, request)")
    text = refused("my", with_members(__init__=lambda self: None))
    assert text.endswith("its __init__ must take (self, self_id, request), not (self)")


def test_a_register_that_nobody_would_await() -> None:
    async def register(cls: Any, driver: Any, config: Any) -> None:
        """Do nothing."""

    text = "its register must not be async: nobody awaits it; use driver.on_startup for what waits"
    assert refused("my", with_members(register=classmethod(register))).endswith(text)


def test_several_problems_are_said_at_once() -> None:
    class Both(Half):
        handle_message = plain  # type: ignore[assignment]

    problem = refused("my", Both).partition("cannot be an adapter: ")[2]
    assert problem == f"it lacks _call_api, send; {MUST_BE_ASYNC}"


def test_a_class_of_another_framework_may_be_an_adapter() -> None:
    class Foreign:
        async def handle_message(self, message: bytes) -> None:
            """Do nothing."""

        def __init__(self, self_id: str, request: Any) -> None:
            """Do nothing."""

        @classmethod
        def register(cls, driver: Any, config: Any) -> None:
            """Do nothing."""

        @classmethod
        async def check_permission(cls, driver: Any, request: Any) -> Any:
            return None, None

    foreign: Any = Foreign
    make_driver(foreign)


@pytest.mark.promise("registry: a warning names both classes of a name that is taken")
def test_another_class_under_a_taken_name(logs: Logs) -> None:
    first, second = new_adapter(), with_members()
    driver = make_driver()
    driver.register_adapter("one", first)
    driver.register_adapter("one", first)
    assert logs.messages("WARNING") == []
    driver.register_adapter("one", second)
    assert driver._adapters == {"one": first}
    assert not hasattr(second, "driver")
    assert logs.messages("WARNING") == [
        f"The name one belongs to {first.__module__}.Recorder, so my_adapter.MyBot is not"
        " registered: register it under another name"
    ]


def registrations() -> dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]]:
    """Give each method that takes hooks, and what it calls them with."""
    driver, adapter = make_driver(), new_adapter()
    return {
        "on_startup": (driver.on_startup, ()),
        "on_shutdown": (driver.on_shutdown, ()),
        "on_bot_connect": (driver.on_bot_connect, ("bot",)),
        "on_bot_disconnect": (driver.on_bot_disconnect, ("bot",)),
        "on_calling_api": (adapter.on_calling_api, ("bot", "api", "data")),
        "on_called_api": (adapter.on_called_api, ("bot", "exception", "api", "data", "result")),
    }


WHERE = sorted(registrations())


def refused_hook(where: str, hook: Any) -> str:
    """Give the text with which a hook is refused."""
    with pytest.raises(RegistrationError) as caught:
        registrations()[where][0](hook)
    return str(caught.value)


class Hooks:
    """Has hooks for any number of arguments."""

    def method(self, *args: Any) -> None:
        """Do nothing."""

    def __call__(self, *args: Any) -> None:
        """Do nothing."""

    @classmethod
    def of_class(cls, *args: Any) -> None:
        """Do nothing."""

    @staticmethod
    def static(*args: Any) -> None:
        """Do nothing."""


def named(bot: Any, api: Any, data: Any, result: Any, more: Any, token: str = "s3cret") -> None:
    """Take five arguments or six."""


class WithoutSignature:
    """Fails where it is asked for its signature."""

    __signature__ = 5

    def __call__(self, *args: Any) -> None:
        """Do nothing."""


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    "hook",
    [
        Hooks().method,
        Hooks(),
        Hooks.of_class,
        Hooks.static,
        partial(Hooks.static, 1, 2),
        lambda *args, token="s3cret": None,
        functools.wraps(named)(lambda *args: None),
        types.coroutine(unmarked(old_style)),
        WithoutSignature(),
        print,
        dict,
        type,
    ],
)
def test_hooks_that_can_be_called_pass(where: str, hook: Any) -> None:
    register, _ = registrations()[where]
    assert register(hook) is hook


@pytest.mark.promise("registry: a hook that cannot be called is refused where it is registered")
@pytest.mark.parametrize("where", WHERE)
def test_hooks_that_take_something_else(where: str) -> None:
    _, parameters = registrations()[where]

    def seven(one: Any, two: Any, three: Any, four: Any, five: Any, six: Any, seven: Any) -> None:
        """Do nothing."""

    name, call = seven.__qualname__, f"seven({', '.join(parameters)})"
    assert refused_hook(where, seven) == (
        f"{HERE}.{name} cannot be a hook of {where}: it is called as {call},"
        " but takes (one, two, three, four, five, six, seven)"
    )


@pytest.mark.parametrize("where", ["on_bot_connect", "on_bot_disconnect", "on_called_api"])
def test_hooks_that_take_nothing(where: str) -> None:
    for hook in (lambda: None, partial(lambda bot: None, 1)):
        assert refused_hook(where, hook).endswith("but takes ()")


@pytest.mark.parametrize("hook", [partial(named, 1, token="s3cret"), Hooks.method])
def test_a_refused_hook_shows_no_values(hook: Any) -> None:
    assert "s3cret" not in refused_hook("on_startup", hook)


@pytest.mark.parametrize("where", WHERE)
def test_what_is_not_a_function(where: str) -> None:
    assert refused_hook(where, None) == f"{where} takes a function, not None"
    assert refused_hook(where, "start") == f"{where} takes a function, not str"

    async def start() -> None:
        """Do nothing."""

    text = f"{where} takes the function itself: pass start, not start()"
    # That it has been never awaited would be a warning, and so an error here.
    assert refused_hook(where, start()) == text


def test_the_traceback_has_one_frame_of_the_package() -> None:
    driver, adapter = make_driver(), new_adapter()
    calls: list[Callable[[], Any]] = [
        lambda: driver.register_adapter("", adapter),
        lambda: driver.on_startup(named),
        lambda: driver.on_shutdown(named),
        lambda: driver.on_bot_connect(lambda: None),
        lambda: driver.on_bot_disconnect(lambda: None),
        lambda: adapter.on_calling_api(lambda: None),
        lambda: adapter.on_called_api(lambda: None),
    ]
    for call in calls:
        with pytest.raises(RegistrationError) as caught:
            call()
        frames = traceback.extract_tb(caught.value.__traceback__)
        ours = [
            frame for frame in frames if "nonebot_aiohttp/" in frame.filename.replace("\\", "/")
        ]
        assert len(ours) == 1
        assert caught.value.__context__ is None
