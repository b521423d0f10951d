"""``Env`` and ``Config``: NoneBot's settings from dotenv files, environment and keyword arguments.

Only this module needs pydantic-settings. The package imports it on first use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Address
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, overload

try:
    from pydantic import AliasChoices, AliasPath, Field, IPvAnyAddress, field_validator
    from pydantic.fields import FieldInfo
    from pydantic_settings import (
        BaseSettings,
        EnvSettingsSource,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
    )
except ImportError as error:
    raise ImportError(
        "nonebot_aiohttp.config needs pydantic-settings >= 2: "
        "pip install nonebot-aiohttp[standalone]"
    ) from error

__all__ = ["Config", "Env", "load_config"]

_DRIVER_PREFIX = "aiohttp_"
_DELIMITER = "__"
_HIDDEN = "***"

# "utf-8-sig" also reads UTF-8 after a byte order mark, as some editors on Windows write it.
_FILE_ENCODING = "utf-8-sig"


class Env(BaseSettings):
    """The name of the environment, from keyword arguments, environment variables or ``.env``."""

    model_config = SettingsConfigDict(
        extra="ignore",
        env_file=".env",
        env_file_encoding=_FILE_ENCODING,
        hide_input_in_errors=True,
    )

    environment: str = Field(
        default="prod",
        description="Name of the environment: `.env.{environment}` holds its settings.",
    )


class Config(BaseSettings):
    """NoneBot's settings, and all other settings of the dotenv files and keyword arguments.

    Keyword arguments override environment variables, which override ``.env.{environment}``, which
    overrides ``.env``. The argument ``_env_file`` names other dotenv files instead: a path, or
    several paths, of which the last overrides the others. With None no dotenv file is read.

    Declare settings of your own in a subclass. Undeclared settings are attributes as well, with
    lowercase names: all keys of the dotenv files (environment variables may override them), all
    keyword arguments, and the environment variables that begin with ``AIOHTTP_``. A text that is
    JSON is decoded, and ``PLUGIN__NAME=1`` becomes ``plugin == {"name": 1}``.

    Each field's description says what it means; docs/settings.md is made of them.
    """

    model_config = SettingsConfigDict(
        extra="allow",
        env_file_encoding=_FILE_ENCODING,
        env_nested_delimiter=_DELIMITER,
        hide_input_in_errors=True,
    )

    host: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"), description="IP address to listen on."
    )
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="TCP port to listen on; 0 chooses a free port.",
    )
    debug: bool = Field(default=False, description="Whether this is a debugging run.")
    log_level: int | str = Field(
        default="INFO",
        description="The lowest level to log: a name or a number of loguru's levels.",
    )
    access_token: str | None = Field(
        default=None,
        repr=False,
        description="Token that platforms must send; `none` turns the check off.",
    )
    secret: str | None = Field(
        default=None,
        repr=False,
        description="Key with which platforms must sign webhooks; `none` turns the check off.",
    )
    api_root: dict[str, str] = Field(
        default={},
        repr=False,
        description="URL of the platform's HTTP API for each bot, by bot id, as"
        ' `{"123456": "http://127.0.0.1:5700"}`.',
    )
    api_timeout: float | None = Field(
        default=30.0, description="Seconds for one API call; `none` means no limit."
    )
    superusers: set[str] = Field(
        default=set(), description='Ids of the users who may command the bots, as `["123456"]`.'
    )
    nickname: set[str] = Field(
        default=set(), description='Names that the bots listen to, as `["bot"]`.'
    )
    command_start: set[str] = Field(
        default={"/"}, description='Texts with which a command may begin, as `["/", ""]`.'
    )
    command_sep: set[str] = Field(
        default={"."}, description='Texts that may separate the parts of a command, as `["."]`.'
    )
    session_expire_timeout: timedelta = Field(
        default=timedelta(minutes=2),
        description="How long a bot waits for a user's answer: seconds, `HH:MM:SS`, or ISO 8601.",
    )

    def __init__(self, /, **values: Any) -> None:
        """Read the settings.

        Args:
            **values: Settings by name, in upper or lower case, and the arguments of
                ``BaseSettings`` that begin with an underscore.

        Raises:
            pydantic.ValidationError: A setting has a wrong value. The error names the setting and
                does not show the value.
        """
        values = _lowercased(values, keep=set(_declared_names(type(self))))
        if self.model_config.get("env_file") is None and "_env_file" not in values:
            values["_env_file"] = _dotenv_files(_env_of(values))
        super().__init__(**values)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Make the sources of the settings, the first of which has precedence.

        The environment and the dotenv files supply undeclared settings as well.
        """
        environment = cast(EnvSettingsSource, env_settings)
        files = cast(EnvSettingsSource, dotenv_settings)
        return (
            init_settings,
            _TextSource(environment, keeps=_named_in(files.env_vars)),
            _TextSource(files, keeps=lambda name: True),
            file_secret_settings,
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Any undeclared setting may be a secret.
        undeclared = self.model_extra or {}
        for name, value in super().__repr_args__():
            yield name, (_HIDDEN if name in undeclared else value)

    @field_validator("log_level", mode="before")
    @classmethod
    def _number_of_level(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("api_timeout", mode="before")
    @classmethod
    def _none_from_text(cls, value: object) -> object:
        return None if isinstance(value, str) and value.lower() in {"none", "null"} else value

    @field_validator("superusers", "nickname", mode="before")
    @classmethod
    def _texts_from_numbers(cls, value: object) -> object:
        # Ids are numbers on many platforms, and pydantic 1 accepted SUPERUSERS=[123456].
        if not isinstance(value, list | tuple | set | frozenset):
            return value
        return [str(item) if type(item) is int else item for item in value]

    @field_validator("session_expire_timeout", mode="before")
    @classmethod
    def _seconds_from_text(cls, value: object) -> object:
        # pydantic 1 accepted SESSION_EXPIRE_TIMEOUT=120.
        try:
            return float(value) if isinstance(value, str) else value
        except ValueError:
            return value


ConfigT = TypeVar("ConfigT", bound=Config)


@overload
def load_config(**values: Any) -> tuple[Env, Config]: ...
@overload
def load_config(config_class: type[ConfigT], /, **values: Any) -> tuple[Env, ConfigT]: ...
def load_config(config_class: type[Config] = Config, /, **values: Any) -> tuple[Env, Config]:
    """Read the name of the environment and its settings: the two arguments of ``Driver``.

    ::

        driver = Driver(*load_config(port=9000))

    Args:
        config_class: ``Config``, or a subclass with settings of your own.
        **values: Settings that override all others. ``environment`` chooses the environment.
            ``_env_file`` names dotenv files to read instead of ``.env`` and ``.env.{environment}``.

    Returns:
        The environment and the settings.

    Raises:
        pydantic.ValidationError: A setting has a wrong value.
    """
    return _env_of(_lowercased(values)), config_class(**values)


def _env_of(values: Mapping[str, Any]) -> Env:
    chosen = {name: values[name] for name in ("environment", "_env_file") if name in values}
    return Env(**chosen)


def _dotenv_files(env: Env) -> tuple[str, str]:
    return ".env", f".env.{env.environment}"


def _lowercased(values: Mapping[str, Any], keep: Iterable[str] = ()) -> dict[str, Any]:
    return {name if name in keep else name.lower(): value for name, value in values.items()}


class _TextSource(PydanticBaseSettingsSource):
    """Reads settings from text variables: the declared ones, and undeclared ones that it keeps."""

    def __init__(self, variables: EnvSettingsSource, keeps: Callable[[str], bool]) -> None:
        super().__init__(variables.settings_cls)
        self._variables = variables
        self._keeps = keeps

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a declared setting's text or None, its name, and whether the text must be JSON."""
        return self._variables.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        declared = set(_declared_names(self.settings_cls))
        return self._read_declared(declared) | self._read_undeclared(declared)

    def _read_declared(self, names: set[str]) -> dict[str, Any]:
        # The source of the dotenv files adds some undeclared settings as well, by rules that change
        # between the releases of pydantic-settings.
        values = {name: value for name, value in self._variables().items() if name in names}
        for field_name, field in self.settings_cls.model_fields.items():
            text, name, _ = self.get_field_value(field, field_name)
            # pydantic-settings 2.0 turns the token "123" into the number 123.
            if text is not None and _is_union_of_scalars(field.annotation):
                values[name] = text
        return values

    def _read_undeclared(self, declared: Iterable[str]) -> dict[str, Any]:
        declared = {name.lower() for name in declared}
        values: dict[str, Any] = {}
        # Short names come first, so that PLUGIN__B=2 adds to PLUGIN={"a": 1}.
        for name, text in sorted(self._variables.env_vars.items()):
            path = _path(name)
            if text is not None and path[0] not in declared and self._keeps(name):
                _insert(values, path, _decode(text))
        return values


def _declared_names(settings_cls: type[BaseSettings]) -> Iterator[str]:
    """Yield the names and the aliases of the declared settings."""
    for name, field in settings_cls.model_fields.items():
        yield name
        alias = field.validation_alias
        for choice in alias.choices if isinstance(alias, AliasChoices) else (alias,):
            first = choice.path[0] if isinstance(choice, AliasPath) else choice
            if isinstance(first, str):
                yield first


def _named_in(files: Iterable[str]) -> Callable[[str], bool]:
    """Make the test of which undeclared environment variables, by lowercase name, are kept.

    They are few, because all programs share the environment: the driver's settings, and variables
    that override a variable of the dotenv files or belong to the same nested setting.
    """
    names = set(files)
    roots = {_path(name)[0] for name in names}

    def is_named(name: str) -> bool:
        path = _path(name)
        return (
            name.startswith(_DRIVER_PREFIX) or name in names or (len(path) > 1 and path[0] in roots)
        )

    return is_named


def _path(name: str) -> list[str]:
    parts = name.split(_DELIMITER)
    return parts if all(parts) else [name]


def _insert(values: dict[str, Any], path: list[str], value: object) -> None:
    *parents, last = path
    for parent in parents:
        child = values.get(parent)
        if not isinstance(child, dict):
            child = values[parent] = {}
        values = child
    values[last] = value


def _decode(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> None:
    """Keep ``NaN`` and ``Infinity`` as text: JSON has no such numbers, and they may be names."""
    raise ValueError(name)


def _is_union_of_scalars(annotation: Any) -> bool:
    is_union = get_origin(annotation) in (Union, UnionType)
    return is_union and {*get_args(annotation)} <= {str, int, float, bool, NoneType}
