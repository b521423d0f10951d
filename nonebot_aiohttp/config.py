"""``Env`` and ``Config``: NoneBot's settings from dotenv files, environment and keyword arguments.

Only this module needs pydantic-settings. The package imports it on first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar, cast, overload

try:
    import pydantic
    from pydantic import Field, PrivateAttr, field_validator
    from pydantic_settings import (
        BaseSettings,
        EnvSettingsSource,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
    )
except ImportError as error:
    raise ImportError(
        "nonebot_aiohttp.config needs pydantic-settings >= 2: "
        'pip install "nonebot-aiohttp[standalone]"'
    ) from error

from .exceptions import ValidationError
from .log import is_level
from .log.own import logger
from .settings.declared import Source, read_host, wrong_settings
from .settings.places import FILE_ENCODING, env_files, wrong_encoding
from .settings.sources import (
    DELIMITER,
    PartIsNotJson,
    TextSource,
    declared_names,
    named_in,
    named_lines,
    names_of,
)

__all__ = ["Config", "Env", "load_config"]

_HIDDEN = "***"


class Env(BaseSettings):
    """The name of the environment, from keyword arguments, environment variables or ``.env``."""

    model_config = SettingsConfigDict(
        extra="ignore",
        env_file=".env",
        env_file_encoding=FILE_ENCODING,
        hide_input_in_errors=True,
    )

    environment: str = Field(
        default="prod",
        description="Name of the environment: `.env.{environment}` holds its settings.",
    )

    def __init__(self, /, **values: Any) -> None:
        """Read the name.

        Args:
            **values: The name as ``environment``, and the arguments of ``BaseSettings`` that begin
                with an underscore.

        Raises:
            ValidationError: A dotenv file is not encoded in UTF-8, or the name is not text.
        """
        with _errors_of(type(self), values):
            super().__init__(**values)

    @field_validator("environment", mode="before")
    @classmethod
    def _default_if_empty(cls, value: object) -> object:
        return cls.model_fields["environment"].default if value == "" else value


class Config(BaseSettings):
    """NoneBot's settings, and all other settings of the dotenv files and keyword arguments.

    Keyword arguments override environment variables, which override ``.env.{environment}``, which
    overrides ``.env``. The argument ``_env_file`` names other dotenv files instead: a path, or
    several paths, of which the last overrides the others. With None no dotenv file is read.

    Declare settings of your own in a subclass. Undeclared settings are attributes as well, with
    lowercase names: all keys of the dotenv files (environment variables may override them), all
    keyword arguments, and the environment variables that begin with ``AIOHTTP_``. A text that is
    JSON is decoded, and ``PLUGIN__NAME=1`` becomes ``plugin == {"name": 1}``.

    A declared setting that is empty (``PORT=``) counts as not set; so does an ``AIOHTTP_`` one.

    Each field's description says what it means; the page "Settings" shows them all.
    """

    model_config = SettingsConfigDict(
        extra="allow",
        env_file_encoding=FILE_ENCODING,
        env_nested_delimiter=DELIMITER,
        hide_input_in_errors=True,
    )

    host: IPv4Address | IPv6Address | str = Field(
        default=IPv4Address("127.0.0.1"), description="IP address or name to listen on."
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
        description="The lowest level to log: a name or a number of loguru's levels. Under every"
        " host it filters the package's own records; of several drivers the last one counts.",
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

    _env_file = PrivateAttr(default=cast("tuple[str, ...]", ()))

    def __init__(self, /, **values: Any) -> None:
        """Read the settings.

        Args:
            **values: Settings by name, in upper or lower case, and the arguments of
                ``BaseSettings`` that begin with an underscore.

        Raises:
            ValidationError: A setting has a wrong value. The error has a line for each, which says
                where it stands and what to write instead, and shows no secrets.
        """
        values = _lowercased(values, keep=set(declared_names(type(self))))
        if self.model_config.get("env_file") is None and "_env_file" not in values:
            values["_env_file"] = _dotenv_files(_env_of(values))
        with _errors_of(type(self), values):
            super().__init__(**values)
        self._env_file = _files_of(type(self), values)

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
        if any("\0" in name for name in files.env_vars):
            # UTF-16 without a byte order mark is UTF-8 as well.
            raise UnicodeDecodeError("utf-8", b"\0", 0, 1, "UTF-16")
        return (
            init_settings,
            TextSource(environment, keeps=named_in(files.env_vars)),
            TextSource(files, keeps=lambda name: True),
            file_secret_settings,
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Any undeclared setting may be a secret.
        undeclared = self.model_extra or {}
        for name, value in super().__repr_args__():
            yield name, (_HIDDEN if name in undeclared else value)

    @field_validator("host", mode="before")
    @classmethod
    def _address_or_name(cls, value: object) -> object:
        return read_host(value)

    @field_validator("log_level", mode="before")
    @classmethod
    def _number_of_level(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: int | str) -> int | str:
        if not is_level(value):
            raise ValueError("not a level of loguru")
        return value

    @field_validator("api_timeout", "access_token", "secret", mode="before")
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
        ValidationError: A setting has a wrong value. The error has a line for each, which says
            where it stands and what to write instead.
    """
    logger.hold_back()
    try:
        return _env_of(_lowercased(values)), config_class(**values)
    except ValidationError as error:
        # Without the lines of this module, which say nothing to the user.
        raise error.with_traceback(None) from None


@contextmanager
def _errors_of(settings_class: type[BaseSettings], values: Mapping[str, Any]) -> Iterator[None]:
    """Turn the errors of reading settings into ones that name setting, place and remedy."""
    files = _files_of(settings_class, values)
    try:
        with named_lines(files):
            yield
    except UnicodeDecodeError:
        raise wrong_encoding(files) from None
    except PartIsNotJson as error:
        (name,) = error.args
        raise ValidationError({name: "has a part that is not JSON"}) from None
    except pydantic.ValidationError as error:
        fields = settings_class.model_fields
        arguments = {name: value for name, value in values.items() if name[:1] != "_"}

        def names(field: str) -> set[str]:
            return {name.lower() for name in names_of(field, fields[field])}

        raise wrong_settings(error, Source(fields, names, arguments, files)) from None


def _files_of(settings_class: type[BaseSettings], values: Mapping[str, Any]) -> tuple[str, ...]:
    given = values.get("_env_file", settings_class.model_config.get("env_file"))
    return env_files(given)


def _env_of(values: Mapping[str, Any]) -> Env:
    chosen = {name: values[name] for name in ("environment", "_env_file") if name in values}
    return Env(**chosen)


def _dotenv_files(env: Env) -> tuple[str, str]:
    return ".env", f".env.{env.environment}"


def _lowercased(values: Mapping[str, Any], keep: Iterable[str] = ()) -> dict[str, Any]:
    return {name if name in keep else name.lower(): value for name, value in values.items()}
