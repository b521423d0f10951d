"""Where settings come from, which one wins, and what of them may be seen."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from nonebot_aiohttp import ValidationError
from nonebot_aiohttp.config import Config, Env, load_config

WriteFile = Callable[..., None]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run each test in an empty directory, with no variable that could be a setting."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - {"PATH", "SYSTEMROOT"}:
        if not name.startswith(("COVERAGE", "COV_", "PYTEST", "PYTHON")):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Write lines to a file of the directory."""

    def write_lines(name: str, *lines: str) -> None:
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")

    return write_lines


class Echo(BaseModel):
    prefix: str = "/echo"
    limits: list[int] = []


class EchoConfig(Config):
    ws_urls: list[str] = Field(default=[])
    echo: Echo = Echo()
    aiohttp_drain_timeout: float = 20


# Defaults


def test_defaults_are_nonebots() -> None:
    assert Config().model_dump() == {
        "host": ip_address("127.0.0.1"),
        "port": 8080,
        "debug": False,
        "log_level": "INFO",
        "access_token": None,
        "secret": None,
        "api_root": {},
        "api_timeout": 30.0,
        "superusers": set(),
        "nickname": set(),
        "command_start": {"/"},
        "command_sep": {"."},
        "session_expire_timeout": timedelta(minutes=2),
    }
    assert Env().environment == "prod"


def test_every_setting_has_a_description() -> None:
    for name, field in (*Config.model_fields.items(), *Env.model_fields.items()):
        assert field.description, name
        assert field.description.endswith("."), name


def test_instances_share_no_containers() -> None:
    first = Config()
    first.superusers.add("1")
    first.api_root["1"] = "http://127.0.0.1"
    assert (Config().superusers, Config().api_root) == (set(), {})


# Sources and precedence


def test_each_source_overrides_the_ones_below(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("A", "B", "C", "PORT")
    write(".env", "ENVIRONMENT=dev", *(f"{name}=1" for name in names))
    write(".env.dev", *(f"{name}=2" for name in names[1:]))
    for name in names[2:]:
        monkeypatch.setenv(name, "3")
    config = Config(port=4)
    assert (config.a, config.b, config.c, config.port) == (1, 2, 3, 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize("source", ["file", "variable", "keyword"])
def test_the_environment_chooses_the_file(
    source: str, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", f"ENVIRONMENT={'dev' if source == 'file' else 'other'}")
    write(".env.dev", "PORT=9000")
    if source == "variable":
        monkeypatch.setenv("ENVIRONMENT", "dev")
    keywords = {"environment": "dev"} if source == "keyword" else {}
    env, config = load_config(**keywords)
    assert (env.environment, config.port) == ("dev", 9000)
    assert Config(**keywords).port == 9000


def test_env_file_replaces_the_files(write: WriteFile, tmp_path: Path) -> None:
    write(".env", "PORT=1", "A=1", "ENVIRONMENT=dev")
    write(".env.dev", "PORT=2")
    write("custom", "PORT=3", "ENVIRONMENT=custom")
    write("last", "PORT=4")
    assert Config(_env_file="custom").port == 3
    assert Config(_env_file=tmp_path / "custom").port == 3
    assert Config(_env_file=("custom", "last")).port == 4
    assert Config(_env_file=None).port == 8080
    env, config = load_config(_env_file="custom")
    assert (env.environment, config.port) == ("custom", 3)
    assert not hasattr(config, "a")


def test_env_takes_keywords_and_other_files(write: WriteFile) -> None:
    write(".env", "ENVIRONMENT=dev", "OTHER=1")
    write("custom", "ENVIRONMENT=custom")
    assert Env().environment == "dev"
    assert Env(environment="keyword").environment == "keyword"
    assert Env(_env_file="custom").environment == "custom"
    assert Env(_env_file=None).environment == "prod"


def test_a_subclass_may_name_its_own_file(write: WriteFile) -> None:
    class OwnFile(Config):
        model_config = SettingsConfigDict(env_file="own")

    write(".env", "PORT=1")
    write("own", "PORT=2")
    assert OwnFile().port == 2


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('PORT=9000\nNICKNAME=["小助手"]', encoding="utf-8-sig")
    assert (Config().port, Config().nickname) == (9000, {"小助手"})


def test_load_config_builds_the_users_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_URLS", '["ws://127.0.0.1:6700"]')
    env, config = load_config(EchoConfig, port=0)
    assert env.environment == "prod"
    assert isinstance(config, EchoConfig)
    assert (config.ws_urls, config.port) == (["ws://127.0.0.1:6700"], 0)


# Declared settings


@pytest.mark.parametrize("source", ["file", "variable"])
def test_text_becomes_the_declared_type(
    source: str, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "HOST": "::1",
        "PORT": "65535",
        "DEBUG": "true",
        "LOG_LEVEL": "10",
        "ACCESS_TOKEN": "0123",
        "SECRET": "123",
        "API_ROOT": '{"1": "http://127.0.0.1:5700/"}',
        "API_TIMEOUT": "2.5",
        "SUPERUSERS": '[123, "456"]',
        "NICKNAME": '["bot"]',
        "COMMAND_START": '["/", ""]',
        "COMMAND_SEP": '["."]',
        "SESSION_EXPIRE_TIMEOUT": "90",
        "WS_URLS": '["ws://127.0.0.1"]',
        "ECHO": '{"prefix": "!"}',
        "ECHO__LIMITS": "[1, 2]",
        "AIOHTTP_DRAIN_TIMEOUT": "5",
    }
    if source == "file":
        write(".env", *(f"{name}='{text}'" for name, text in settings.items()))
    else:
        for name, text in settings.items():
            monkeypatch.setenv(name, text)
    assert EchoConfig().model_dump() == {
        "host": ip_address("::1"),
        "port": 65535,
        "debug": True,
        "log_level": 10,
        "access_token": "0123",
        "secret": "123",
        "api_root": {"1": "http://127.0.0.1:5700/"},
        "api_timeout": 2.5,
        "superusers": {"123", "456"},
        "nickname": {"bot"},
        "command_start": {"/", ""},
        "command_sep": {"."},
        "session_expire_timeout": timedelta(seconds=90),
        "ws_urls": ["ws://127.0.0.1"],
        "echo": {"prefix": "!", "limits": [1, 2]},
        "aiohttp_drain_timeout": 5.0,
    }


@pytest.mark.parametrize("text", ["none", "None", "null"])
@pytest.mark.parametrize("name", ["api_timeout", "access_token", "secret"])
def test_what_can_be_turned_off(
    name: str, text: str, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", f"{name}=1")
    monkeypatch.setenv(name.upper(), text)
    assert getattr(Config(), name) is None


@pytest.mark.parametrize("text", ["120", "00:02:00", "PT2M"])
def test_ways_to_write_the_session_timeout(text: str) -> None:
    assert Config(session_expire_timeout=text).session_expire_timeout == timedelta(minutes=2)


def test_keywords_have_the_declared_types() -> None:
    config = Config(superusers={1, "2"}, log_level="DEBUG", session_expire_timeout=3, PORT=1)
    assert (config.superusers, config.log_level, config.port) == ({"1", "2"}, "DEBUG", 1)
    assert config.session_expire_timeout == timedelta(seconds=3)


def test_aliases_are_declared_names(write: WriteFile) -> None:
    class Aliased(Config):
        one: int = Field(default=0, alias="First")
        two: int = Field(default=0, validation_alias=AliasChoices("second", AliasPath("pair", 1)))
        three: int = Field(default=0, validation_alias=AliasPath("trio", 2))

    write(".env", "FIRST=1", "PAIR=[1, 2]", "TRIO=[1, 2, 3]")
    config = Aliased()
    assert (config.one, config.two, config.three) == (1, 2, 3)
    assert config.model_extra == {}
    assert Aliased(First=5).one == 5


# Wrong settings


WRONG = [
    ("HOST", "http://0.0.0.0:8080/", "is not an IP address or a name", "0.0.0.0"),
    ("HOST", "localhost:8080", "is not an IP address or a name", "localhost"),
    ("HOST", "127.0.0", "is not an IP address or a name", "127.0.0.1"),
    ("HOST", "*", "is not an IP address or a name", "0.0.0.0"),
    ("PORT", "abc", "is not a whole number from 0 to 65535", "8080"),
    ("PORT", "99999", "is not a whole number from 0 to 65535", "8080"),
    ("DEBUG", "maybe", "is not true or false", "true"),
    (
        "LOG_LEVEL",
        "verbose",
        "is not a level of loguru (TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR, CRITICAL) or its"
        " number",
        "DEBUG",
    ),
    ("API_TIMEOUT", "30s", "is not a number of seconds, or none", "30"),
    ("SUPERUSERS", "123", "is not a list of texts in JSON", '["123"]'),
    ("SUPERUSERS", "123, 456", "is not a list of texts in JSON", '["123", "456"]'),
    ("NICKNAME", "[小明]", "is not a list of texts in JSON", '["小明"]'),
    ("COMMAND_START", "/", "is not a list of texts in JSON", '["/"]'),
    ("COMMAND_SEP", ".", "is not a list of texts in JSON", '["."]'),
    (
        "SESSION_EXPIRE_TIMEOUT",
        "5min",
        "is not a time (seconds, HH:MM:SS or ISO 8601)",
        "300",
    ),
]


@pytest.mark.promise("data: an error names the setting that is wrong, and what to write instead")
@pytest.mark.parametrize(("name", "value", "problem", "example"), WRONG)
def test_one_line_says_what_is_wrong_and_what_to_write(
    name: str, value: str, problem: str, example: str, write: WriteFile
) -> None:
    write(".env", f"{name}='{value}'")
    with pytest.raises(ValidationError) as raised:
        load_config()
    assert str(raised.value) == f"{name}={value} in .env {problem}: write {name}={example}"
    assert raised.value.settings == (name.lower(),)
    assert raised.value.__suppress_context__
    write(".env", f"{name}='{example}'")
    load_config()


def message_of(config_class: type[Config] = Config, **values: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        load_config(config_class, **values)
    return str(raised.value)


def test_the_place_is_named_that_wins(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write(".env", "PORT=a")
    assert message_of().startswith("PORT=a in .env is not ")
    write(".env.prod", "port=b")
    assert message_of().startswith("port=b in .env.prod is not ")
    monkeypatch.setenv("PORT", "c")
    assert message_of().startswith("PORT=c in the environment is not ")
    assert message_of(PORT="d").startswith("The argument port='d' is not ")
    write("custom", "HOST=a b")
    assert message_of(_env_file="custom", PORT=1).startswith("HOST=a b in custom is not ")


def test_an_error_does_not_have_dotenv_say_its_lines(
    write: WriteFile, caplog: pytest.LogCaptureFixture
) -> None:
    write(".env", "no setting\nPORT=abc")
    assert "PORT=abc in .env is not" in message_of()
    assert caplog.messages == []


def test_each_wrong_setting_has_a_line(write: WriteFile) -> None:
    write(".env", "PORT=abc", "SUPERUSERS=123", "API_ROOT=http://127.0.0.1/?token=s3cret")
    assert message_of(debug="x").splitlines() == [
        "4 settings are wrong:",
        "PORT=abc in .env is not a whole number from 0 to 65535: write PORT=8080",
        "The argument debug='x' is not true or false: write debug=True",
        "API_ROOT in .env is not an object of URLs in JSON:"
        ' write API_ROOT={"123456": "http://127.0.0.1:5700"}',
        'SUPERUSERS=123 in .env is not a list of texts in JSON: write SUPERUSERS=["123"]',
    ]


class OwnSettings(Config):
    limit: int | None = Field(default=None, gt=0)
    ways: list[str] = []
    echo: Echo = Echo()
    bot_key: int = 0
    token: SecretStr = SecretStr("")
    even: int = 0

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("LIMIT=x", "LIMIT=x in .env is not a whole number above 0: write LIMIT=1"),
        ("WAYS=s3cret", 'WAYS in .env is not a list in JSON: write WAYS=["text"]'),
        ("BOT_KEY=s3cret", "BOT_KEY in .env is not a whole number: write BOT_KEY=0"),
        ("EVEN=3", "EVEN in .env is not valid: must be even"),
        ("ECHO__LIMITS=[7]\nECHO__PREFIX=[s3cret", None),
        (
            'ECHO__LIMITS=["s3cret"]',
            "ECHO__LIMITS in .env is not valid: at limits.0, input should be a valid integer,"
            " unable to parse string as an integer",
        ),
    ],
)
def test_settings_of_subclasses(line: str, said: str | None, write: WriteFile) -> None:
    write(".env", line)
    if said is None:
        assert OwnSettings().echo.limits == [7]
    else:
        assert message_of(OwnSettings) == said


def test_a_part_of_a_setting_that_is_not_json(write: WriteFile) -> None:
    write(".env", "ECHO__LIMITS=[s3cret")
    message = message_of(OwnSettings)
    assert "echo" in message.lower()
    assert "s3cret" not in message
    assert len(message.splitlines()) == 1


def test_a_setting_that_is_missing(write: WriteFile) -> None:
    class Required(Config):
        qq: int

    assert message_of(Required) == "QQ is not set and has no default: write QQ=... in .env"


def test_a_subclass_may_read_text_that_is_not_json(write: WriteFile) -> None:
    class Lenient(Config):
        @field_validator("superusers", mode="before")
        @classmethod
        def _split(cls, value: object) -> object:
            return value.split(",") if isinstance(value, str) else value

    write(".env", "SUPERUSERS=1,2")
    assert Lenient().superusers == {"1", "2"}


@pytest.mark.parametrize("host", ["localhost", "bot.example", "my_host", "xn--nxasmq6b", "::1"])
def test_names_are_hosts(host: str) -> None:
    assert str(Config(host=host).host) == host


@pytest.mark.promise("data: a setting that is empty counts as not set")
@pytest.mark.parametrize("name", Config.model_fields)
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_setting_counts_as_not_set(
    name: str, text: str, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", f"{name.upper()}='{text}'")
    assert Config().model_dump() == Config(_env_file=None).model_dump()
    monkeypatch.setenv(name.upper(), text)
    assert Config().model_dump() == Config(_env_file=None).model_dump()


def test_an_empty_variable_leaves_the_setting_to_the_file(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", "ACCESS_TOKEN=abc", "AIOHTTP_HEARTBEAT=7", "ENVIRONMENT=")
    monkeypatch.setenv("ACCESS_TOKEN", "")
    monkeypatch.setenv("AIOHTTP_HEARTBEAT", "")
    env, config = load_config()
    assert env.environment == "prod"
    assert (config.access_token, config.aiohttp_heartbeat) == ("abc", 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("encoding", "problem"),
    [
        ("gbk", "is not encoded in UTF-8 (line 2)"),
        ("utf-16", "is encoded in UTF-16, not in UTF-8"),
        ("utf-16-le", "is encoded in UTF-16, not in UTF-8"),
    ],
)
@pytest.mark.parametrize("name", [".env", ".env.prod"])
def test_a_file_in_another_encoding_is_named(
    name: str, encoding: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text('PORT=1\nNICKNAME=["小明"]\n', encoding=encoding)
    assert message_of() == f"{name} {problem}: save it in UTF-8 with your editor"


# Undeclared settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["ws://x"]', ["ws://x"]),
        ("3", 3),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ('"3"', "3"),
        ("text", "text"),
        ("007", "007"),
        ("{not json", "{not json"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("", ""),
    ],
)
def test_json_in_files_is_decoded(text: str, value: object, write: WriteFile) -> None:
    write(".env", f"MY_SETTING='{text}'")
    assert Config().model_extra == {"my_setting": value}


def test_empty_and_valueless_keys(write: WriteFile) -> None:
    write(".env", "EMPTY=", "VALUELESS")
    assert Config().model_extra == {"empty": ""}


def test_the_environment_overrides_keys_of_the_files(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", "MINE=1", "VALUELESS", "GONE=1")
    monkeypatch.setenv("MINE", "[2]")
    monkeypatch.setenv("VALUELESS", "3")
    monkeypatch.setenv("GONE", "")
    monkeypatch.setenv("NOT_MINE", "4")
    assert Config().model_extra == {"mine": [2], "valueless": 3, "gone": ""}


def test_the_drivers_variables_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOHTTP_HEARTBEAT", "15")
    monkeypatch.setenv("AIOHTTP_LOOP", "uvloop")
    monkeypatch.setenv("AIO_OTHER", "1")
    assert Config().model_extra == {"aiohttp_heartbeat": 15, "aiohttp_loop": "uvloop"}


def test_keywords_are_kept_as_they_are() -> None:
    config = Config(WS_URLS=["ws://x"], token="123")
    assert config.model_extra == {"ws_urls": ["ws://x"], "token": "123"}


def test_missing_attributes_raise() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        Config().nothing_of_the_kind  # type: ignore[attr-defined]  # noqa: B018


def test_nested_keys(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write(".env", "ENVIRONMENT=dev", "PLUGIN__DEEP__ONE=1", "PLUGIN__B=2", 'PLUGIN={"a": 1}')
    write(".env.dev", "PLUGIN__B=3", "SCALAR=1", "SCALAR__X=2", "__PRIVATE=1", "HOME__DIR=x")
    monkeypatch.setenv("PLUGIN__DEEP__TWO", "[2]")
    monkeypatch.setenv("OTHER__X", "1")
    monkeypatch.setenv("HOME", "/root")
    assert Config().model_extra == {
        "environment": "dev",
        "plugin": {"a": 1, "b": 3, "deep": {"one": 1, "two": [2]}},
        "scalar": {"x": 2},
        "__private": 1,
        "home": {"dir": "x"},
    }


def test_keywords_override_undeclared_keys(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", "MINE=1")
    monkeypatch.setenv("MINE", "2")
    config: Any = Config(MINE=3)
    assert config.mine == 3


# Secrets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_token", 987654321),
        ("secret", [987654321]),
        ("api_root", 987654321),
        ("api_root", "http://x/987654321"),
        ("port", {"hidden": 987654321}),
        ("port", "http://x/?token=987654321"),
        ("superusers", {"hidden": 987654321}),
        ("superusers", "http://x/?token=987654321"),
        ("host", "http://x:987654321@example.org/"),
        ("host", "x:987654321@example.org"),
    ],
)
def test_errors_do_not_show_secrets(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=f"^The argument {name}") as raised:
        Config(**{name: value})
    assert "987654321" not in f"{raised.value} {raised.value!r}"


def test_repr_does_not_show_secrets() -> None:
    config = Config(
        access_token="p4ssw0rd",
        secret="p4ssw0rd",
        api_root={"1": "http://x/p4ssw0rd"},
        telegram_bots=[{"token": "p4ssw0rd"}],
    )
    assert "p4ssw0rd" not in f"{config} {config!r}"
    assert "port=8080" in repr(config)
    assert "telegram_bots='***'" in repr(config)


# Without pydantic-settings


def test_without_pydantic_settings_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    monkeypatch.delitem(sys.modules, "nonebot_aiohttp.config")
    with pytest.raises(ImportError, match=r'pip install "nonebot-aiohttp\[standalone\]"'):
        importlib.import_module("nonebot_aiohttp.config")
