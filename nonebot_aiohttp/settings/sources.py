"""Reads settings from text variables: those of the environment and of dotenv files.

Like ``config`` it needs pydantic-settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from .places import check_lines, dotenv_silenced

DRIVER_PREFIX = "aiohttp_"
DELIMITER = "__"
"""It stands between the names of a nested setting."""


class PartIsNotJson(Exception):
    """A part of a nested setting is not JSON; the argument is the name of the setting."""


@contextmanager
def checked_lines(files: Collection[str]) -> Iterator[None]:
    """Have a line of a dotenv file that cannot be parsed fail the reading.

    Otherwise its setting is not set: without a token, for one, everybody may come in.

    Raises:
        ValidationError: There is such a line; it names all of them.
    """
    with dotenv_silenced() as caught:
        try:
            yield
        except UnicodeDecodeError:
            raise
        except Exception:
            # A setting that is missing, for instance, may stand in that line.
            if caught.has_caught:
                check_lines(files)
            raise
    if caught.has_caught:
        check_lines(files)


class TextSource(PydanticBaseSettingsSource):
    """Reads settings from text variables: the declared ones, and undeclared ones that it keeps."""

    def __init__(self, variables: EnvSettingsSource, keeps: Callable[[str], bool]) -> None:
        super().__init__(variables.settings_cls)
        self._variables = variables
        self._keeps = keeps
        declared = {name.lower() for name in declared_names(self.settings_cls)}
        variables.env_vars = {
            name: text
            for name, text in variables.env_vars.items()
            if not _is_unset(name.lower(), text, declared)
        }
        # Text that is not JSON is a wrong value like others, and one error names them all.
        variables.prepare_field_value = partial(  # type: ignore[method-assign]
            _prepared_or_text, variables.prepare_field_value
        )
        # pydantic-settings 2.0 has it not, and decodes in the other method.
        if decode := getattr(variables, "decode_complex_value", None):
            variables.decode_complex_value = partial(_decoded_or_text, decode)  # type: ignore[method-assign]

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a declared setting's text or None, its name, and whether the text must be JSON."""
        return self._variables.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return the settings that stand here."""
        declared = set(declared_names(self.settings_cls))
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


def declared_names(settings_cls: type[BaseSettings]) -> Iterator[str]:
    """Yield the names and the aliases of the declared settings."""
    for name, field in settings_cls.model_fields.items():
        yield from names_of(name, field)


def names_of(name: str, field: FieldInfo) -> Iterator[str]:
    """Yield the name and the aliases of a declared setting."""
    yield name
    alias = field.validation_alias
    for choice in alias.choices if isinstance(alias, AliasChoices) else (alias,):
        first = choice.path[0] if isinstance(choice, AliasPath) else choice
        if isinstance(first, str):
            yield first


def _is_unset(name: str, text: str | None, declared: Collection[str]) -> bool:
    """Tell whether a variable is empty, as compose files leave it, and so counts as not set."""
    is_empty = text is not None and not text.strip()
    return is_empty and (name in declared or name.startswith(DRIVER_PREFIX))


def _prepared_or_text(
    prepare: Callable[[str, FieldInfo, Any, bool], Any],
    name: str,
    field: FieldInfo,
    value: Any,
    value_is_complex: bool,
) -> Any:
    try:
        return prepare(name, field, value, value_is_complex)
    except ValueError:
        if value is None:
            # A part of a nested setting, with pydantic-settings 2.0.
            raise PartIsNotJson(name) from None
        return value


def _decoded_or_text(
    decode: Callable[[str, FieldInfo, Any], Any], name: str, field: FieldInfo, value: Any
) -> Any:
    try:
        return decode(name, field, value)
    except ValueError:
        return value


def named_in(files: Iterable[str]) -> Callable[[str], bool]:
    """Make the test of which undeclared environment variables, by lowercase name, are kept.

    They are few, because all programs share the environment: the driver's settings, and variables
    that override a variable of the dotenv files or belong to the same nested setting.
    """
    names = set(files)
    roots = {_path(name)[0] for name in names}

    def is_named(name: str) -> bool:
        path = _path(name)
        return (
            name.startswith(DRIVER_PREFIX) or name in names or (len(path) > 1 and path[0] in roots)
        )

    return is_named


def _path(name: str) -> list[str]:
    parts = name.split(DELIMITER)
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
