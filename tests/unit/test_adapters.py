"""`Bot`: its members, the hooks around an API call, the shorthand, and how a bot is made."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from typing import Any

import pytest

from nonebot_aiohttp import (
    Bot,
    HTTPConnection,
    HTTPRequest,
    MockApiException,
    RegistrationError,
)
from nonebot_aiohttp.adapters import create_bot
from tests.support.bots import RecordingBot, make_driver
from tests.support.logs import Logs

REQUEST = HTTPRequest("1.1", "http", "/")


class Platform(RecordingBot):
    """Answers an API call with its data, or raises what it is told."""

    async def _call_api(self, api: str, **data: Any) -> Any:
        if "error" in data:
            raise data["error"]
        return {api: data}


def make_bot() -> Platform:
    """Return a bot of a class that has no hooks yet."""
    cls: type[Platform] = type("Fresh", (Platform,), {})
    return cls("1", REQUEST)


@pytest.mark.parametrize(
    ("member", "parameters", "kind"),
    [
        ("__init__", ["self", "self_id", "request"], "method"),
        ("register", ["driver", "config", "kwargs"], "classmethod"),
        ("check_permission", ["driver", "request"], "async classmethod"),
        ("handle_message", ["self", "message"], "async method"),
        ("_call_api", ["self", "api", "data"], "async method"),
        ("call_api", ["self", "api", "data"], "async method"),
        ("send", ["self", "event", "message", "kwargs"], "async method"),
        ("on_calling_api", ["func"], "classmethod"),
        ("on_called_api", ["func"], "classmethod"),
        ("remove_api_hook", ["func"], "classmethod"),
    ],
)
def test_a_member_has_its_kind_and_signature(member: str, parameters: list[str], kind: str) -> None:
    found = getattr(Bot, member)
    assert list(inspect.signature(found).parameters) == parameters
    assert inspect.iscoroutinefunction(found) == kind.startswith("async")
    assert isinstance(vars(Bot)[member], classmethod) == kind.endswith("classmethod")


def test_what_an_adapter_has_to_write() -> None:
    assert Bot.__abstractmethods__ == {
        "type",
        "check_permission",
        "handle_message",
        "_call_api",
        "send",
    }


def test_a_bot_knows_its_id_and_its_request() -> None:
    bot = make_bot()
    assert (bot.self_id, bot.request) == ("1", REQUEST)
    assert repr(bot) == "<Bot type='recording' self_id='1'>"


async def test_a_call_returns_the_platforms_answer() -> None:
    assert await make_bot().call_api("get", a=1) == {"get": {"a": 1}}


async def test_any_public_name_is_a_shorthand_of_an_api() -> None:
    bot = make_bot()
    assert await bot.send_msg(text="hi") == {"send_msg": {"text": "hi"}}


def test_private_and_special_names_are_not_apis() -> None:
    bot = make_bot()
    for name in ("_private", "__deepcopy__", "__wrapped__"):
        assert not hasattr(bot, name)
    assert copy.copy(bot).self_id == "1"


def test_a_bot_survives_pickle() -> None:
    assert pickle.loads(pickle.dumps(Platform("1", REQUEST))).request == REQUEST


async def test_hooks_run_in_order_around_the_call_sync_or_async() -> None:
    bot = make_bot()
    seen: list[Any] = []

    @type(bot).on_calling_api
    def first(*args: Any) -> None:
        seen.append(("first", *args))

    @type(bot).on_calling_api
    async def second(*args: Any) -> None:
        seen.append(("second", *args))

    @type(bot).on_called_api
    async def third(*args: Any) -> None:
        seen.append(("third", *args))

    @type(bot).on_called_api
    def fourth(*args: Any) -> None:
        seen.append(("fourth", *args))

    answer = await bot.call_api("get", a=1)
    assert seen == [
        ("first", bot, "get", {"a": 1}),
        ("second", bot, "get", {"a": 1}),
        ("third", bot, None, "get", {"a": 1}, answer),
        ("fourth", bot, None, "get", {"a": 1}, answer),
    ]


async def test_a_calling_hook_may_change_the_data() -> None:
    bot = make_bot()
    type(bot).on_calling_api(lambda bot, api, data: data.update(b=2))
    assert await bot.call_api("get", a=1) == {"get": {"a": 1, "b": 2}}


async def test_a_failed_call_runs_the_called_hooks_and_raises() -> None:
    bot, error = make_bot(), ValueError("refused")
    seen: list[Any] = []
    type(bot).on_called_api(lambda *args: seen.append(args))
    with pytest.raises(ValueError, match="refused") as caught:
        await bot.call_api("get", error=error)
    assert caught.value is error
    assert seen == [(bot, error, "get", {"error": error}, None)]


@pytest.mark.parametrize("kind", ["calling", "called"])
async def test_a_hook_that_fails_is_logged_with_its_name_and_stops_nobody(
    kind: str, logs: Logs
) -> None:
    bot = make_bot()
    seen: list[Any] = []
    register = getattr(type(bot), f"on_{kind}_api")

    async def broken_hook(*_: Any) -> None:
        raise ValueError("oops")

    register(broken_hook)
    register(lambda *_: seen.append("next"))
    assert await bot.call_api("get") == {"get": {}}
    assert seen == ["next"]
    (record,) = logs.matching(f"The {kind}-API hook", "ERROR")
    assert "broken_hook" in record.message
    assert "ValueError: oops" in record.output


async def test_a_calling_hook_answers_the_call_itself() -> None:
    bot = make_bot()
    seen: list[Any] = []

    @type(bot).on_calling_api
    async def mock(*_: Any) -> None:
        raise MockApiException("mocked")

    type(bot).on_calling_api(lambda *_: seen.append("not reached"))
    type(bot).on_called_api(lambda *args: seen.append(args))
    assert await bot.call_api("get", error=ValueError()) == "mocked"
    assert [args[1::3] for args in seen] == [(None, "mocked")]


async def test_a_called_hook_replaces_the_answer_and_an_error() -> None:
    bot = make_bot()

    @type(bot).on_called_api
    def mock(bot: Bot, error: Exception | None, api: str, data: Any, result: Any) -> None:
        raise MockApiException((error, result))

    error = ValueError()
    assert await bot.call_api("get") == (None, {"get": {}})
    assert await bot.call_api("get", error=error) == (error, None)


async def test_hooks_belong_to_the_class_and_its_subclasses() -> None:
    seen: list[str] = []

    class Base(Platform):
        pass

    class One(Base):
        pass

    class Two(Base):
        pass

    One.on_calling_api(lambda *_: seen.append("one"))
    Base.on_calling_api(lambda *_: seen.append("base"))
    await Two("1", REQUEST).call_api("get")
    assert seen == ["base"]
    await One("1", REQUEST).call_api("get")
    assert seen == ["base", "base", "one"]


async def test_a_hook_is_registered_once() -> None:
    bot = make_bot()
    seen: list[Any] = []

    def hook(*_: Any) -> None:
        seen.append(1)

    assert type(bot).on_calling_api(hook) is hook
    assert type(bot).on_calling_api(hook) is hook
    await bot.call_api("get")
    assert seen == [1]


async def test_a_hook_can_be_removed() -> None:
    bot = make_bot()
    seen: list[Any] = []

    def both(*args: Any) -> None:
        seen.append(len(args))

    type(bot).on_calling_api(both)
    type(bot).on_called_api(both)
    type(bot).on_called_api(lambda *_: seen.append("stays"))
    await bot.call_api("get")
    type(bot).remove_api_hook(both)
    await bot.call_api("get")
    assert seen == [3, 5, "stays", "stays"]
    type(bot).on_calling_api(both)
    await bot.call_api("get")
    assert seen[4:] == [3, "stays"]


def test_a_hook_is_removed_from_the_class_on_which_it_was_registered() -> None:
    base = type(make_bot())
    derived: type[Platform] = type("Derived", (base,), {})

    def hook(*_: Any) -> None: ...

    base.on_calling_api(hook)
    told = r"<locals>\.hook is not an API hook of .*\.Derived: remove it from the class on which"
    with pytest.raises(RegistrationError, match=told):
        derived.remove_api_hook(hook)
    base.remove_api_hook(hook)
    with pytest.raises(RegistrationError, match="is not an API hook of"):
        base.remove_api_hook(hook)


async def test_hooks_do_not_hear_of_a_cancelled_call() -> None:
    bot = make_bot()
    seen: list[Any] = []
    type(bot).on_called_api(lambda *args: seen.append(args))
    with pytest.raises(asyncio.CancelledError):
        await bot.call_api("get", error=asyncio.CancelledError())
    assert seen == []


@pytest.mark.promise("registry: one bot class serves two drivers")
def test_a_made_bot_knows_its_own_driver_before_its_init() -> None:
    """One class serves two drivers, whichever registered it last."""
    seen: list[Any] = []

    class Recorder(RecordingBot):
        def __init__(self, self_id: str, request: HTTPConnection) -> None:
            super().__init__(self_id, request)
            seen.append((self.driver, self.config))

    one, two = make_driver(Recorder), make_driver(Recorder)
    registered: Any = Recorder
    assert registered.driver is two
    bot = create_bot(Recorder, one, "1", REQUEST)
    assert (bot.driver, bot.config) == (one, one.config)
    assert seen == [(one, one.config)]
    assert registered.driver is two


def test_a_made_bot_has_its_attributes_before_its_init_and_without_super() -> None:
    """Trap: an adapter that forgot super() died with a RecursionError in its own repr."""
    seen: list[Any] = []

    class Forgetful(RecordingBot):
        def __init__(self, self_id: str, request: HTTPConnection) -> None:
            seen.extend((self.driver, self.config, self.self_id, self.request))

    driver = make_driver(Forgetful)
    bot = create_bot(Forgetful, driver, "1", REQUEST)
    assert seen == [driver, driver.config, "1", REQUEST]
    assert (bot.self_id, bot.request) == ("1", REQUEST)
    assert repr(bot) == "<Bot type='recording' self_id='1'>"


@pytest.mark.parametrize("name", ["self_id", "request"])
def test_what_the_base_sets_is_never_an_api(name: str) -> None:
    class Forgetful(RecordingBot):
        def __init__(self) -> None:
            pass

    bot = Forgetful()
    assert repr(bot) == "<Bot type='recording' self_id=None>"
    text = rf"'Forgetful' .* {name!r}: call super\(\).__init__\(self_id, request\) first"
    with pytest.raises(AttributeError, match=text):
        getattr(bot, name)


@pytest.mark.parametrize("name", ["driver", "config"])
def test_what_the_driver_sets_is_never_an_api(name: str) -> None:
    class Alone(RecordingBot):
        pass

    bot = Alone("1", REQUEST)
    with pytest.raises(AttributeError, match=f"{name!r}: the driver sets it when it makes the bot"):
        getattr(bot, name)


def test_properties_of_an_adapter_stay_its_own() -> None:
    base: Any = RecordingBot

    class Fixed(base):  # type: ignore[misc]
        @property
        def config(self) -> Any:
            return "fixed"

        @property
        def self_id(self) -> str:
            return "always"

        def __init__(self, self_id: str, request: HTTPConnection) -> None:
            self.given = self_id

    driver = make_driver()
    bot = create_bot(Fixed, driver, "1", REQUEST)
    assert (bot.config, bot.self_id, bot.given) == ("fixed", "always", "1")
    assert (bot.driver, bot.request) == (driver, REQUEST)


def test_any_class_that_takes_id_and_request_can_be_made() -> None:
    class Foreign:
        def __init__(self, self_id: str, request: Any) -> None:
            self.key = (self_id, request)

    foreign: Any = Foreign
    driver = make_driver()
    bot = create_bot(foreign, driver, "1", REQUEST)
    assert bot.key == ("1", REQUEST) == (bot.self_id, bot.request)
    assert (bot.driver, bot.config) == (driver, driver.config)
