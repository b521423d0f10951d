"""What is wrong with the settings that ``Config`` and its subclasses declare; with pydantic 2."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from pydantic import SecretBytes, SecretStr
from pydantic import ValidationError as PydanticError
from pydantic.fields import FieldInfo
from yarl import URL

from ..exceptions import ValidationError
from ..log import redact_text
from .places import Given, argument, find, has_secret_name, may_be_shown, sentence, unplaced
from .wanted import Wanted, as_list, bounds, wanted_of

LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
"""Loguru's levels."""

_LABEL = r"(?!-)[\w-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBERS = re.compile(r"[\d.]+")
_LONGEST_NAME = 253


def read_host(value: Any) -> IPv4Address | IPv6Address | str:
    """Read an IP address or the name of a host.

    Raises:
        ValueError: It is neither.
    """
    try:
        return ip_address(value)
    except ValueError:
        pass
    # What looks like an address, such as 127.0.0, is not a name.
    is_name = isinstance(value, str) and _NAME.fullmatch(value) and not _NUMBERS.fullmatch(value)
    if not is_name or len(value) > _LONGEST_NAME:
        raise ValueError("neither an IP address nor a name")
    return str(value)


def check_urls(values: Any) -> None:
    """Check that the values of a mapping are absolute URLs.

    Raises:
        ValueError: One is not.
    """
    for value in values.values() if isinstance(values, Mapping) else ():
        url = URL(str(value))
        if not url.scheme or not url.host:
            raise ValueError("not an absolute URL")


_ADDRESS = re.compile(r"(?:localhost|\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}")


def _meant_url(values: Any) -> str | None:
    """Guess the URL that is meant by an address; other texts may hold a secret."""
    texts = map(str, values.values()) if isinstance(values, Mapping) else ()
    return next((f"http://{text}" for text in texts if _ADDRESS.fullmatch(text)), None)


def _host(value: Any) -> str:
    """Take the host out of a URL, or of what has a port."""
    text = str(value).strip()
    try:
        host = URL(text if "://" in text else f"http://{text}").host or ""
        return str(read_host(host))
    except ValueError:
        return "0.0.0.0" if text == "*" else "127.0.0.1"


def _level(value: Any) -> str:
    words = {"warn": "WARNING", "fatal": "CRITICAL", "verbose": "DEBUG", "all": "TRACE"}
    text = str(value).strip().lower()
    close = get_close_matches(text.upper(), LEVELS, n=1)
    return words.get(text) or (close[0] if close else "INFO")


_A_SECRET = Wanted("text", lambda value: "...", is_plain=False)
_A_LIST = Wanted("a list of texts in JSON", as_list)
_API_ROOTS = {"123456": "http://127.0.0.1:5700"}

_WANTED = {
    "host": Wanted("an IP address or a name", _host),
    "log_level": Wanted(f"a level of loguru ({', '.join(LEVELS)}) or its number", _level),
    "access_token": _A_SECRET,
    "secret": _A_SECRET,
    "api_root": Wanted("an object of URLs in JSON", lambda value: _API_ROOTS, is_plain=False),
    **dict.fromkeys(("superusers", "nickname", "command_start", "command_sep"), _A_LIST),
}


@dataclass(frozen=True)
class Source:
    """What the settings were read from.

    Attributes:
        fields: The fields of the class.
        names: Returns the names that a field may have, in lower case.
        arguments: The keyword arguments, by name in lower case.
        files: The dotenv files.
    """

    fields: Mapping[str, FieldInfo]
    names: Callable[[str], Collection[str]]
    arguments: Mapping[str, Any]
    files: Collection[str]

    def given(self, setting: str, item: Mapping[str, Any]) -> Given | None:
        """Find where a setting stands; None if it is not set."""
        names = self.names(setting)
        for name, value in self.arguments.items():
            if name.lower() in names:
                return argument(name, value)
        inner = [str(part) for part in item["loc"][1:]]
        nested = [f"{name}__{'__'.join(inner[:1])}".lower() for name in names] if inner else []
        found = find(nested, self.files) or find(names, self.files)
        if found is None and item["type"] != "missing":
            return unplaced(setting, item["input"])
        return found


def wrong_settings(error: PydanticError, source: Source) -> ValidationError:
    """Make the error that the user sees of pydantic's.

    Args:
        error: Pydantic's error.
        source: What the settings were read from.
    """
    problems: dict[str, str] = {}
    lines: list[str] = []
    for item in error.errors(include_url=False):
        setting = _field_of(item, source)
        if setting not in problems:
            problems[setting], line = _problem(setting, item, source)
            lines.append(line)
    return ValidationError(problems, lines)


def _field_of(item: Mapping[str, Any], source: Source) -> str:
    """Return the name of the field that an error is about; it may be named by an alias."""
    name = str(item["loc"][0]) if item["loc"] else ""
    return next((field for field in source.fields if name.lower() in source.names(field)), name)


def _problem(setting: str, item: Mapping[str, Any], source: Source) -> tuple[str, str]:
    """Return what is wrong, and the line that says it."""
    message = redact_text(str(item["msg"]).removeprefix("Value error, "))
    if not setting:
        return message, f"The settings are not valid: {message}"
    field = source.fields.get(setting)
    if field is None:
        return "is unknown", f"The setting {setting.upper()} is unknown"
    given = source.given(setting, item)
    if given is None:
        problem = "is not set and has no default"
        line = f"{setting.upper()} {problem}: write {setting.upper()}=... in .env"
        return problem, line
    wanted = _wanted(setting, field, item)
    if wanted is None:
        problem = f"is not valid: {_place(item)}{message[:1].lower()}{message[1:]}"
        return problem, sentence(given, problem, "", is_secret=True)
    problem = f"is not {wanted.what}"
    is_secret = not wanted.is_plain or _is_secret(setting, field)
    # An example is made from the value, and would show it.
    is_safe = not is_secret and may_be_shown(given.value)
    example = wanted.example(given.value if is_safe else "")
    advice = f"write {given.written(example)}"
    if setting == "api_root" and (meant := _meant_url(item["input"])):
        advice = f"did you mean {meant}?"
    return problem, sentence(given, problem, advice, is_secret=is_secret)


def _place(item: Mapping[str, Any]) -> str:
    inner = ".".join(str(part) for part in item["loc"][1:])
    return f"at {inner}, " if inner else ""


def _wanted(setting: str, field: FieldInfo, item: Mapping[str, Any]) -> Wanted | None:
    """Say what a setting must be; None if only pydantic can say what is wrong."""
    if setting in _WANTED:
        return _WANTED[setting]
    default = field.get_default(call_default_factory=False)
    is_own_check = item["type"] in ("value_error", "assertion_error")
    if is_own_check or len(item["loc"]) > 1:
        return None
    unit = "seconds" if setting.endswith(("timeout", "interval")) else ""
    wanted = wanted_of(field.annotation, default, bounds(field), unit)
    if wanted is not None and setting == "api_timeout":
        return Wanted(f"{wanted.what}, or none", wanted.example)
    return wanted


def _is_secret(setting: str, field: FieldInfo) -> bool:
    is_hidden = field.repr is False or field.annotation in (SecretStr, SecretBytes)
    return is_hidden or has_secret_name(setting)
