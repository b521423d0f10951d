"""The contract of NoneBot 2.0.0a16's `nonebot.drivers`, row by row, and what is concrete in it."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import Bot, adapters, drivers
from nonebot_aiohttp import Driver as ConcreteDriver
from nonebot_aiohttp.drivers import HTTPRequest, HTTPResponse, OrderedSet
from tests.support.bots import RecordingBot, make_driver, new_adapter
from tests.support.logs import Logs

MISSING = dataclasses.MISSING
CONNECTION = [
    ("http_version", "str", MISSING),
    ("scheme", "str", MISSING),
    ("path", "str", MISSING),
    ("query_string", "bytes", b""),
    ("headers", "dict[str, str]", dict),
]

# class -> its bases in this module, and whether it is abstract
CLASSES: dict[str, tuple[tuple[str, ...], bool]] = {
    "Driver": ((), True),
    "ForwardDriver": (("Driver",), True),
    "ReverseDriver": (("Driver",), True),
    "HTTPConnection": ((), True),
    "HTTPRequest": (("HTTPConnection",), False),
    "HTTPResponse": ((), False),
    "WebSocket": (("HTTPConnection",), True),
    "HTTPPollingSetup": ((), False),
    "WebSocketSetup": ((), False),
}

# class, member, kind, parameters behind self with their defaults, whether abstract
MEMBERS: list[tuple[str, str, str, str, bool]] = [
    ("Driver", "__init__", "method", "env, config", False),
    ("Driver", "bots", "property", "", False),
    ("Driver", "logger", "property", "", True),
    ("Driver", "type", "property", "", True),
    ("Driver", "on_bot_connect", "method", "func", False),
    ("Driver", "on_bot_disconnect", "method", "func", False),
    ("Driver", "on_shutdown", "method", "func", True),
    ("Driver", "on_startup", "method", "func", True),
    ("Driver", "register_adapter", "method", "name, adapter, **kwargs", False),
    ("Driver", "run", "method", "*args, **kwargs", True),
    ("ForwardDriver", "setup_http_polling", "method", "setup", True),
    ("ForwardDriver", "setup_websocket", "method", "setup", True),
    ("ReverseDriver", "asgi", "property", "", True),
    ("ReverseDriver", "server_app", "property", "", True),
    ("HTTPConnection", "type", "property", "", True),
    ("HTTPRequest", "type", "property", "", False),
    ("HTTPResponse", "type", "property", "", False),
    ("WebSocket", "type", "property", "", False),
    ("WebSocket", "closed", "property", "", True),
    ("WebSocket", "accept", "async method", "", True),
    ("WebSocket", "close", "async method", "code", True),
    ("WebSocket", "receive", "async method", "", True),
    ("WebSocket", "receive_bytes", "async method", "", True),
    ("WebSocket", "send", "async method", "data", True),
    ("WebSocket", "send_bytes", "async method", "data", True),
]

RETURNS = {
    ("Driver", "bots"): "dict[str, Bot]",
    ("HTTPConnection", "type"): "str",
    ("WebSocket", "closed"): "bool",
    ("WebSocket", "receive"): "str",
    ("WebSocket", "receive_bytes"): "bytes",
    ("ForwardDriver", "setup_http_polling"): "None",
    ("ForwardDriver", "setup_websocket"): "None",
}

ANNOTATIONS = {
    "_adapters": "dict[str, builtins.type[Bot]]",
    "_bot_connection_hook": "set[T_BotConnectionHook]",
    "_bot_disconnection_hook": "set[T_BotDisconnectionHook]",
    "env": "str",
    "config": "Config",
    "_clients": "dict[str, Bot]",
}

FIELDS: dict[str, list[tuple[str, str, Any]]] = {
    "HTTPConnection": CONNECTION,
    "HTTPRequest": [*CONNECTION, ("method", "str", "GET"), ("body", "bytes", b"")],
    "WebSocket": CONNECTION,
    "HTTPResponse": [
        ("status", "int", MISSING),
        ("body", "bytes | None", None),
        ("headers", "dict[str, str]", dict),
    ],
    "HTTPPollingSetup": [
        ("adapter", "str", MISSING),
        ("self_id", "str", MISSING),
        ("url", "str", MISSING),
        ("method", "str", MISSING),
        ("body", "bytes", MISSING),
        ("headers", "dict[str, str]", MISSING),
        ("http_version", "str", MISSING),
        ("poll_interval", "float", MISSING),
    ],
    "WebSocketSetup": [
        ("adapter", "str", MISSING),
        ("self_id", "str", MISSING),
        ("url", "str", MISSING),
        ("headers", "dict[str, str]", dict),
        ("reconnect_interval", "float", 3.0),
    ],
}


def test_all_names_are_the_seeds() -> None:
    assert set(drivers.__all__) == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_its_bases_and_abstractness(name: str) -> None:
    bases, abstract = CLASSES[name]
    cls = getattr(drivers, name)
    assert cls.__module__ == "nonebot_aiohttp.drivers"
    assert tuple(base.__name__ for base in cls.__bases__ if base not in (object, abc.ABC)) == bases
    assert inspect.isabstract(cls) == abstract


@pytest.mark.parametrize(("name", "member", "kind", "parameters", "abstract"), MEMBERS)
def test_a_member_has_its_kind_and_signature(
    name: str, member: str, kind: str, parameters: str, abstract: bool
) -> None:
    found = vars(getattr(drivers, name))[member]
    assert getattr(found, "__isabstractmethod__", False) == abstract
    if kind == "property":
        assert isinstance(found, property)
        assert found.fset is None
    else:
        assert inspect.iscoroutinefunction(found) == (kind == "async method")
        assert _parameters(found) == parameters


@pytest.mark.parametrize(("name", "member"), RETURNS)
def test_a_member_returns_what_the_seed_says(name: str, member: str) -> None:
    found = vars(getattr(drivers, name))[member]
    function = found.fget if isinstance(found, property) else found
    assert function.__annotations__["return"] == RETURNS[name, member]


@pytest.mark.parametrize("name", CLASSES)
def test_no_class_has_more_than_the_seed(name: str) -> None:
    public = {
        member
        for member in vars(getattr(drivers, name))
        if not member.startswith("_")
        and member not in [field for field, *_ in FIELDS.get(name, [])]
    }
    assert public == {row[1] for row in MEMBERS if row[0] == name and row[1] != "__init__"}


@pytest.mark.parametrize("name", FIELDS)
def test_a_dataclass_has_its_fields_in_order_with_their_defaults(name: str) -> None:
    fields = [
        (
            field.name,
            field.type,
            field.default if field.default_factory is MISSING else field.default_factory,
        )
        for field in dataclasses.fields(getattr(drivers, name))
    ]
    assert fields == FIELDS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_a_default_stands_on_the_class_as_well(name: str) -> None:
    """So that a subclass whose constructor does not call theirs has it."""
    cls = getattr(drivers, name)
    defaults = {field: default for field, _, default in FIELDS[name] if default is not MISSING}
    assert {field: getattr(cls, field) for field in defaults if hasattr(cls, field)} == {
        field: default for field, default in defaults.items() if default is not dict
    }


@pytest.mark.promise("registry: the driver's class carries annotations only")
def test_the_drivers_class_carries_annotations_only() -> None:
    """Two drivers live in one process: nothing is shared through the class."""
    assert drivers.Driver.__annotations__ == ANNOTATIONS
    for name in ANNOTATIONS:
        assert not hasattr(drivers.Driver, name)


def test_types_of_requests_and_responses() -> None:
    assert HTTPRequest("1.1", "http", "/").type == "http"
    assert HTTPResponse(200).type == "http"


def test_the_concrete_driver_is_both_kinds() -> None:
    driver = make_driver()
    assert isinstance(driver, drivers.ForwardDriver)
    assert isinstance(driver, drivers.ReverseDriver)
    assert (driver.type, driver.env) == ("aiohttp", "test")
    assert list(inspect.signature(ConcreteDriver).parameters) == ["env", "config"]


def test_a_driver_keeps_what_it_was_given() -> None:
    config: Any = SimpleNamespace(token="t")
    env: Any = SimpleNamespace(environment="prod")
    driver = ConcreteDriver(env, config)
    assert driver.config is config
    assert driver.env == "prod"
    assert driver.bots is driver._clients
    assert driver.bots == {}


def test_repr_tells_type_and_numbers() -> None:
    assert repr(make_driver(new_adapter())) == "<Driver type='aiohttp' adapters=1 bots=0>"


def test_registering_calls_register_with_driver_config_and_keywords() -> None:
    calls: list[Any] = []

    class Recorder(RecordingBot):
        @classmethod
        def register(cls, driver: Any, config: Any, **kwargs: Any) -> None:
            super().register(driver, config, **kwargs)
            calls.append((driver, config, kwargs))

    driver = make_driver()
    assert driver.register_adapter("one", Recorder, flag=True) is None  # type: ignore[func-returns-value]
    assert calls == [(driver, driver.config, {"flag": True})]
    assert driver._adapters == {"one": Recorder}
    registered: Any = Recorder
    assert (registered.driver, registered.config) == (driver, driver.config)


@pytest.mark.promise("registry: registering a name again keeps the first adapter")
def test_registering_a_name_again_keeps_the_first_adapter(logs: Logs) -> None:
    first, second = new_adapter(), new_adapter()
    driver = make_driver()
    driver.register_adapter("one", first)
    driver.register_adapter("one", second)
    assert driver._adapters == {"one": first}
    assert not hasattr(second, "driver")
    assert logs.matching("The name one belongs to", "WARNING")
    driver.register_adapter("one", first)
    assert logs.matching("one is registered already", "DEBUG")


def test_an_adapter_whose_register_raises_is_not_registered() -> None:
    class Broken(RecordingBot):
        @classmethod
        def register(cls, driver: drivers.Driver, config: Any, **kwargs: Any) -> None:
            raise ValueError("no token")

    driver = make_driver()
    with pytest.raises(ValueError, match="no token"):
        driver.register_adapter("one", Broken)
    assert driver._adapters == {}
    driver.register_adapter("one", new_adapter())


def test_an_adapter_finds_itself_registered_while_it_registers() -> None:
    seen: list[Any] = []

    class Recorder(RecordingBot):
        @classmethod
        def register(cls, driver: drivers.Driver, config: Any, **kwargs: Any) -> None:
            seen.append(driver._adapters["one"])

    make_driver().register_adapter("one", Recorder)
    assert seen == [Recorder]


def test_the_hook_decorators_return_the_function_and_keep_the_order() -> None:
    """Trap: in the seed hooks were an unordered set under gather."""
    driver = make_driver()
    functions = [_hook() for _ in range(20)]
    for function in functions:
        assert driver.on_bot_connect(function) is function
        assert driver.on_bot_disconnect(function) is function
        assert driver.on_startup(function) is function
        assert driver.on_shutdown(function) is function
    assert list(driver._bot_connection_hook) == functions
    assert list(driver._bot_disconnection_hook) == functions


@pytest.mark.promise("registry: the driver's class carries annotations only")
def test_two_drivers_share_neither_adapters_nor_hooks_nor_bots() -> None:
    one, two = make_driver(new_adapter()), make_driver()
    one.on_bot_connect(_hook())
    one.on_bot_disconnect(_hook())
    assert (len(two._adapters), len(two._bot_connection_hook)) == (0, 0)
    assert len(two._bot_disconnection_hook) == 0
    assert one.bots is not two.bots


def test_an_ordered_set_is_a_set_in_the_order_of_insertion() -> None:
    ordered = OrderedSet("cab")
    ordered.add("d")
    ordered.add("a")
    assert list(ordered) == ["c", "a", "b", "d"]
    assert len(ordered) == 4
    assert "b" in ordered
    assert ordered >= {"a", "b", "c", "d"} >= ordered
    ordered.discard("a")
    ordered.discard("x")
    assert list(ordered) == ["c", "b", "d"]
    with pytest.raises(KeyError):
        ordered.remove("a")


def test_an_ordered_set_may_change_while_it_is_iterated() -> None:
    ordered = OrderedSet([1, 2])
    for item in ordered:
        ordered.add(item + 10)
    assert list(ordered) == [1, 2, 11, 12]


def test_the_package_gives_the_contracts_classes() -> None:
    import nonebot_aiohttp

    for name in set(CLASSES) - {"Driver"}:
        assert getattr(nonebot_aiohttp, name) is getattr(drivers, name)
    assert nonebot_aiohttp.Bot is adapters.Bot is Bot


def _hook() -> Any:
    return lambda *_: None


def _parameters(function: Any) -> str:
    """Write the parameters behind `self` as `name=default`."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return ", ".join(str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters)
