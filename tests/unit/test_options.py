"""Every setting: its default, what is wrong with a wrong one, and where it may come from."""

from __future__ import annotations

import ast
import contextlib
import importlib
import math
import re
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonebot_aiohttp import DriverOptions, ValidationError
from tests.support.absent import needs
from tests.support.logs import Logs

GOOD: dict[str, tuple[Any, Any]] = {
    "max_body_size": ("1024", 1024),
    "max_body_memory": ("4096", 4096),
    "max_header_size": (8190, 8190),
    "body_timeout": ("0.5", 0.5),
    "max_message_size": (0, 0),
    "heartbeat": ("12.5", 12.5),
    "duplicate_bot": ("replace", "replace"),
    "probe_timeout": (1, 1),
    "compress": ("true", True),
    "allowed_origins": (
        ["https://a.example", "http://[::1]:8080", "*"],
        {"https://a.example", "http://[::1]:8080", "*"},
    ),
    "max_inflight": ("7", 7),
    "keepalive_timeout": (30.5, 30.5),
    "handshake_timeout": ("3", 3),
    "poll_timeout": (130, 130),
    "close_timeout": (0.1, 0.1),
    "backoff_max": (600, 600),
    "stable_after": (0, 0),
    "drain_timeout": (0, 0),
    "forward": ("false", False),
    "fastapi": ("true", True),
    "proxy": ("http://user:word@proxy:3128", "http://user:word@proxy:3128"),
    "socket_mode": (660, "660"),
    "ops_port": (9100, "9100"),
    "ops_host": ("0.0.0.0", "0.0.0.0"),
    "ops_token": (12345678, "12345678"),
    "ops_names": (["status.example.org", "Nas"], {"status.example.org", "Nas"}),
    "loop": ("asyncio", "asyncio"),
    "access_log": ("1", True),
}

SECRET = "s3cret-value"
WRONG: dict[str, list[Any]] = {
    "max_body_size": [0, -1, SECRET, None],
    "max_body_memory": [0, "many", SECRET],
    "max_header_size": [0, "long", SECRET],
    "body_timeout": [0, -0.5, SECRET, math.inf, math.nan],
    "max_message_size": [-1, SECRET],
    "heartbeat": [0, -1, SECRET, math.inf, math.nan],
    "duplicate_bot": ["prob", 3],
    "probe_timeout": [0, SECRET, math.inf],
    "compress": [SECRET, "none"],
    "allowed_origins": [
        [f"https://{SECRET}.example/path"],
        [SECRET],
        [f"https://user:{SECRET}@example.org"],
        ["https://example.org/"],
        ["https://Example.org"],
        ["https://example.org:443"],
        ["http://[::1"],
        SECRET,
    ],
    "max_inflight": [0, SECRET],
    "keepalive_timeout": [0, SECRET, math.inf],
    "handshake_timeout": [0, SECRET, math.inf],
    "poll_timeout": [0, SECRET, math.inf],
    "close_timeout": [0, SECRET, math.inf],
    "backoff_max": [0, SECRET, math.inf],
    "stable_after": [-1, SECRET, math.inf],
    "drain_timeout": [-1, SECRET, math.inf],
    "fastapi": [SECRET, None],
    "forward": [SECRET, None],
    "proxy": [
        f"socks4://user:{SECRET}@proxy",
        f"//{SECRET}",
        f"{SECRET}:port",
        f"http://user:{SECRET}@[::1",
        "http://",
    ],
    "socket_mode": ["0999", "66", True, "rw-rw-rw-", SECRET],
    "ops_port": ["9100-9000", "abc", 70000, -1, "0-5", "9100-", "9100,9101", True, SECRET],
    "ops_host": [["127.0.0.1"], None],
    "ops_token": ["short", 1234567, True, [f"{SECRET}{SECRET}"]],
    "ops_names": [
        ["https://status.example.org"],
        ["status.example.org:9100"],
        ["*"],
        [f"{SECRET}/x"],
        "status.example.org",
    ],
    "loop": [SECRET, "tokio"],
    "access_log": [SECRET],
    "ssl_certfile": [f"/{SECRET}/cert.pem"],
    "ssl_keyfile": [f"/{SECRET}/key.pem"],
    "ssl_cafile": [f"/{SECRET}/ca.pem", "."],
}


def read(**settings: Any) -> DriverOptions:
    """Read the settings, given without their prefix, from a configuration object."""
    return DriverOptions.from_config(
        SimpleNamespace(**{f"aiohttp_{name}": value for name, value in settings.items()})
    )


# Values


def descriptions() -> dict[str, str | None]:
    """List each setting's description, in pydantic 1 or 2."""
    if pydantic.VERSION < "2":
        fields = vars(DriverOptions)["__fields__"]
        return {name: field.field_info.description for name, field in fields.items()}
    return {name: field.description for name, field in DriverOptions.model_fields.items()}


def test_every_setting_has_a_description() -> None:
    assert descriptions().keys() == DriverOptions.__annotations__.keys()
    for name, text in descriptions().items():
        assert text, name
        assert text.endswith("."), name
        assert "  " not in text, name
        if name.endswith(("_timeout", "heartbeat", "backoff_max", "stable_after")):
            assert "seconds" in text.lower(), name
        if name.endswith(("_size", "_memory")):
            assert "in bytes" in text, name


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_can_be_given_as_text_of_the_environment(name: str) -> None:
    given_value, expected = GOOD[name]
    assert getattr(read(**{name: given_value}), name) == expected


@pytest.mark.promise("data: an error names the setting that is wrong, and what to write instead")
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        read(**{name: value})
    error = raised.value
    assert error.settings == (f"aiohttp_{name}",)
    assert re.fullmatch(rf"aiohttp_{name}\b.* (is|must|needs) .*: write .+", str(error))
    assert error.__suppress_context__


@pytest.mark.parametrize("value", WRONG["proxy"])
def test_a_proxy_is_not_shown(value: str, logs: Logs) -> None:
    with pytest.raises(ValidationError) as raised:
        read(proxy=value)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert SECRET not in logs.output


def test_the_example_works_and_is_what_was_probably_meant() -> None:
    for name, values in WRONG.items():
        for value in values:
            with pytest.raises(ValidationError) as raised:
                read(**{name: value})
            found = re.search(rf"write aiohttp_{name}=(.*)$", str(raised.value))
            if found is not None and not name.startswith("ssl_"):
                read(**{name: ast.literal_eval(found[1])})


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("heartbeat", "30s", "'30s' is not a number of seconds above 0, or none: write {}=30"),
        ("drain_timeout", "5 min", "'5 min' is not a number of seconds, 0 or more: write {}=300"),
        (
            "max_body_size",
            "32MB",
            "'32MB' is not a whole number of bytes above 0: write {}=33554432",
        ),
        ("max_inflight", "20,000", "'20,000' is not a whole number above 0: write {}=20000"),
        ("compress", "maybe", "'maybe' is not true or false: write {}=True"),
        ("loop", "UVLOOP", "'UVLOOP' is not auto, uvloop or asyncio: write {}='uvloop'"),
        (
            "allowed_origins",
            "https://a.b",
            "'https://a.b' is not a list of origins in JSON: write {}=['https://a.b']",
        ),
        (
            "allowed_origins",
            ["https://A.b:443/x"],
            "['https://A.b:443/x'] is not a list of origins, which have a scheme, a host and"
            " nothing else: write {}=['https://a.b']",
        ),
    ],
)
def test_what_is_said_of_a_wrong_setting(name: str, value: Any, line: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(**{name: value})
    setting = f"aiohttp_{name}"
    assert str(raised.value) == f"{setting}={line.format(setting)}"


def in_a_file(tmp_path: Path, text: str, **settings: Any) -> SimpleNamespace:
    """Make a configuration as NoneBot's, which knows its dotenv files."""
    path = tmp_path / ".env.prod"
    path.write_text(text, encoding="utf-8")
    return SimpleNamespace(_env_file=(str(tmp_path / ".env"), str(path)), **settings)


@pytest.mark.parametrize("value", [pytest.param(-1, marks=needs("python-dotenv"))])
def test_the_file_is_named_in_which_a_setting_stands(value: int, tmp_path: Path) -> None:
    config = in_a_file(tmp_path, f"AIOHTTP_HEARTBEAT={value}", aiohttp_heartbeat=value)
    with pytest.raises(ValidationError) as raised:
        DriverOptions.from_config(config)
    assert str(raised.value) == (
        f"AIOHTTP_HEARTBEAT=-1 in {tmp_path / '.env.prod'} is not a number of seconds above 0, or"
        " none: write AIOHTTP_HEARTBEAT=30"
    )


def test_the_environment_is_named_in_which_a_setting_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOHTTP_ALLOWED_ORIGINS", "https://a.b")
    config = in_a_file(
        tmp_path, "AIOHTTP_ALLOWED_ORIGINS=[]", aiohttp_allowed_origins="https://a.b"
    )
    with pytest.raises(ValidationError) as raised:
        DriverOptions.from_config(config)
    assert str(raised.value) == (
        "AIOHTTP_ALLOWED_ORIGINS=https://a.b in the environment is not a list of origins in JSON:"
        ' write AIOHTTP_ALLOWED_ORIGINS=["https://a.b"]'
    )


def test_no_file_is_named_for_a_value_that_came_from_elsewhere(tmp_path: Path) -> None:
    config = in_a_file(tmp_path, "AIOHTTP_HEARTBEAT=-1", aiohttp_heartbeat=-2)
    with pytest.raises(ValidationError, match=r"^aiohttp_heartbeat=-2 is not"):
        DriverOptions.from_config(config)


def test_all_settings_have_a_wrong_value_in_these_tests() -> None:
    assert WRONG.keys() == DriverOptions.__annotations__.keys()


def test_several_wrong_settings_are_named_in_one_error() -> None:
    with pytest.raises(ValidationError) as raised:
        read(heartbeat=-1, loop="tokio", max_inflight=1)
    assert set(raised.value.settings) == {"aiohttp_heartbeat", "aiohttp_loop"}
    head, *lines = str(raised.value).splitlines()
    assert head == "2 settings are wrong:"
    assert [line.partition("=")[0] for line in lines] == ["aiohttp_heartbeat", "aiohttp_loop"]
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("word", ["none", "None", " NULL ", None])
@pytest.mark.parametrize("name", ["heartbeat", "proxy", "ssl_cafile"])
def test_none_can_be_spelled_in_the_environment(name: str, word: str | None) -> None:
    assert getattr(read(**{name: word}), name) is None


@pytest.mark.promise("data: a setting that is empty counts as not set")
@pytest.mark.parametrize("name", DriverOptions.__annotations__)
def test_an_empty_setting_counts_as_not_set(name: str) -> None:
    assert read(**{name: ""}) == read(**{name: "  "}) == read()
    assert DriverOptions.from_config(SimpleNamespace(aiohttp_loop=""), loop="asyncio").loop == (
        "asyncio"
    )


def test_files_have_to_exist(tmp_path: Path) -> None:
    pem = tmp_path / "cert.pem"
    pem.touch()
    options = read(ssl_certfile=str(pem), ssl_keyfile=str(pem), ssl_cafile=pem)
    assert options.ssl_certfile == options.ssl_keyfile == options.ssl_cafile == pem
    with pytest.raises(
        ValidationError,
        match=r"^aiohttp_ssl_keyfile=.* needs the certificate, too: write AIOHTTP_SSL_CERTFILE",
    ):
        read(ssl_keyfile=str(pem))


def test_options_are_immutable() -> None:
    # pydantic 1 raises a TypeError, pydantic 2 its ValidationError.
    with pytest.raises((TypeError, pydantic.ValidationError)):
        read().heartbeat = 1.0  # type: ignore[misc]


@given(st.floats())
def test_no_number_of_seconds_passes_that_a_timer_could_not_take(seconds: float) -> None:
    try:
        options = read(heartbeat=seconds, drain_timeout=seconds)
    except ValidationError:
        assert not 0 < seconds < math.inf
    else:
        assert options.heartbeat == seconds
        assert 0 < seconds < math.inf


@given(st.text())
def test_no_text_as_a_proxy_or_an_origin_breaks_the_validation(text: str) -> None:
    for name, value in (("proxy", text), ("allowed_origins", [text])):
        with contextlib.suppress(ValidationError):
            assert getattr(read(**{name: value}), name) in (text, {text}, None)


# Where they come from


def test_a_driver_may_have_other_defaults_and_the_configuration_wins() -> None:
    config = SimpleNamespace(aiohttp_heartbeat=7)
    options = DriverOptions.from_config(config, heartbeat=9, allowed_origins=["*"])
    assert options.heartbeat == 7
    assert options.allowed_origins == {"*"}


def test_what_has_another_prefix_is_not_read(logs: Logs) -> None:
    assert DriverOptions.from_config(SimpleNamespace(heartbeat=-1, xaiohttp_loop="")) == read()
    assert logs == []


def test_an_unknown_name_is_warned_of_with_a_suggestion(logs: Logs) -> None:
    """Trap: options silently ignored (nonebot2#2908)."""
    read(hearbeat=SECRET, teapot=SECRET)
    assert logs.messages("WARNING") == [
        "The setting aiohttp_hearbeat is unknown and ignored; did you mean aiohttp_heartbeat?",
        "The setting aiohttp_teapot is unknown and ignored",
    ]


class PydanticConfig(pydantic.BaseModel, extra="allow"):
    """A configuration as NoneBot's: some fields, the rest is kept as it comes."""

    host: str = "127.0.0.1"
    aiohttp_loop: str = "asyncio"


class ClassConfig:
    """A configuration whose settings belong to the class."""

    aiohttp_heartbeat = 12
    AIOHTTP_LOOP = "asyncio"


class SlottedConfig:
    """A configuration without a dictionary."""

    __slots__ = ("aiohttp_heartbeat", "aiohttp_loop")

    def __init__(self) -> None:
        self.aiohttp_heartbeat, self.aiohttp_loop = "12", "asyncio"


@pytest.mark.parametrize(
    "config",
    [
        SimpleNamespace(aiohttp_heartbeat=12, aiohttp_loop="asyncio", port=8080),
        SimpleNamespace(AIOHTTP_HEARTBEAT="12", Aiohttp_Loop="asyncio"),
        # In pydantic 2 the instance's dictionary does not hold such an extra.
        PydanticConfig(**{"aiohttp_heartbeat": "12"}),
        ClassConfig(),
        SlottedConfig(),
    ],
)
def test_any_object_with_attributes_is_a_configuration(config: Any, logs: Logs) -> None:
    options = DriverOptions.from_config(config)
    assert options.heartbeat == 12
    assert options.loop == "asyncio"
    assert logs == []


@pytest.mark.skipif(
    pydantic.VERSION < "2" or sys.version_info >= (3, 14),
    reason="pydantic 1 itself is installed, or does not exist for this Python",
)
def test_a_configuration_of_pydantic_1_within_pydantic_2_serves() -> None:
    v1: Any = importlib.import_module("pydantic.v1")
    extra = type("Config", (), {"extra": "allow"})
    config = v1.create_model("Config", __config__=extra, aiohttp_loop="asyncio")
    options = DriverOptions.from_config(config(aiohttp_heartbeat="12"))
    assert (options.heartbeat, options.loop) == (12, "asyncio")


def test_options_can_be_replaced_by_others_of_some_other_values() -> None:
    options = read(heartbeat=7).replaced(compress=True)
    assert (options.heartbeat, options.compress) == (7, True)
    with pytest.raises(ValidationError, match="aiohttp_loop"):
        options.replaced(loop="tokio")


def test_parse_takes_names_without_prefix_and_no_unknown_ones() -> None:
    assert DriverOptions.parse({"heartbeat": None}).heartbeat is None
    with pytest.raises(ValidationError) as raised:
        DriverOptions.parse({"teapot": SECRET})
    assert raised.value.settings == ("aiohttp_teapot",)
    assert SECRET not in str(raised.value)


def test_the_representation_hides_the_proxy_with_its_password() -> None:
    options = DriverOptions(proxy="http://user:password@proxy.example:3128")
    assert "password" not in repr(options)


# What operators use


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "ops_port",
            "9100-9000",
            "'9100-9000' is not a port, or a range of ports, or none: write {}='9100-9107'",
        ),
        ("ops_port", 70000, "'70000' is not a port, or a range of ports, or none: write"),
        (
            "ops_names",
            ["https://status.example.org/x"],
            "['https://status.example.org/x'] is not a list of host names in JSON: write"
            " {}=['status.example.org']",
        ),
    ],
)
def test_what_is_said_of_a_wrong_setting_of_operators(name: str, value: Any, line: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(**{name: value})
    setting = f"aiohttp_{name}"
    assert str(raised.value).startswith(f"{setting}={line.format(setting)}")


@pytest.mark.promise("operations: a token that is too short is refused, and never shown")
@pytest.mark.parametrize("token", ["s3cret!", 1234567, True, ["s3cret-value-in-a-list"]])
def test_a_wrong_token_is_not_shown(token: Any, logs: Logs) -> None:
    with pytest.raises(ValidationError) as raised:
        read(ops_token=token)
    shown = "".join(traceback.format_exception(raised.value)) + logs.output
    assert not re.search(r"s3cret|1234567", shown)
    assert "aiohttp_ops_token must be text of 8 characters or more: write what this prints" in shown


def test_a_good_token_is_not_shown() -> None:
    options = read(ops_token=SECRET, proxy=f"http://user:{SECRET}@proxy")
    assert SECRET not in repr(options)
    assert SECRET not in str(options)
    with pytest.raises(ValidationError) as raised:
        read(ops_token=SECRET, heartbeat=-1)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("port", ["9100", "9100-9107", " 9100 - 9107 ", 0, "65535", "1-65535"])
def test_ports_that_can_be_used(port: Any) -> None:
    assert read(ops_port=port).ops_port == str(port)


def test_a_number_of_a_dotenv_file_is_text() -> None:
    """NoneBot reads digits as a number, and a token or a port is text."""
    options = read(ops_port=9100, ops_token=1234567890)
    assert (options.ops_port, options.ops_token) == ("9100", "1234567890")
