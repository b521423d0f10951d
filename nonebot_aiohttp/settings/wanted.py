"""What a setting must be, in words, and an example that works, close to what the user wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_LISTS = (list, tuple, set, frozenset)

_NUMBER = re.compile(r"\s*(\d[\d,_]*(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True)
class Wanted:
    """What a setting must be.

    Attributes:
        what: A phrase, such as "a whole number above 0".
        example: Makes a value that works from the wrong one.
        is_plain: Whether a wrong value is unlikely to be a secret.
    """

    what: str
    example: Callable[[Any], Any]
    is_plain: bool = True


def bounds(field: Any) -> dict[str, float]:
    """Return the bounds of a field of pydantic 1 or 2, such as ``{"gt": 0}``."""
    sources = (field, *(getattr(field, "metadata", None) or ()))
    return {
        name: getattr(source, name)
        for source in sources
        for name in ("gt", "ge", "lt", "le")
        if getattr(source, name, None) is not None
    }


def wanted_of(
    annotation: Any, default: Any, limits: Mapping[str, float], unit: str = ""
) -> Wanted | None:
    """Say what a setting of a type must be; None for an unusual type.

    Args:
        annotation: The type.
        default: The default, which serves as the example.
        limits: See ``bounds``.
        unit: ``"seconds"``, ``"bytes"`` or nothing.
    """
    annotation = _without_none(annotation)
    if annotation is bool:
        return Wanted("true or false", lambda _: default is not True)
    if annotation in (int, float):
        return _number(annotation, default, limits, unit)
    if annotation is timedelta:
        return Wanted("a time (seconds, HH:MM:SS or ISO 8601)", _Seconds(default))
    if get_origin(annotation) is Literal:
        return choice([str(value) for value in get_args(annotation)], default)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return choice([str(member.value) for member in annotation], default)
    if (get_origin(annotation) or annotation) in _LISTS:
        return Wanted("a list in JSON", as_list, is_plain=False)
    if (get_origin(annotation) or annotation) is dict:
        return Wanted("an object in JSON", lambda _: {"name": "value"}, is_plain=False)
    return None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        kinds = [each for each in get_args(annotation) if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation


def choice(words: list[str], default: Any) -> Wanted:
    """Want one of some words; the example is the one that is nearest to what was written."""

    def nearest(value: Any) -> str:
        close = get_close_matches(str(value).strip().lower(), words, n=1)
        return close[0] if close else str(default if default in words else words[0])

    *first, last = words
    return Wanted(f"{', '.join(first)} or {last}" if first else last, nearest)


def _number(kind: type, default: Any, limits: Mapping[str, float], unit: str) -> Wanted:
    what = "a whole number" if kind is int else "a number"
    if unit:
        what += f" of {unit}"
    if limits:
        what += _range(limits)

    def example(value: Any) -> Any:
        number = read_number(value, unit)
        if number is not None and kind is int:
            number = round(number)
        fits = number is not None and _fits(number, limits)
        return _short(number if fits else _usual(default, limits))

    return Wanted(what, example)


def _usual(default: Any, limits: Mapping[str, float]) -> Any:
    if isinstance(default, int | float):
        return default
    return next((n for n in (1, *limits.values()) if _fits(n, limits)), 1)


def _short(number: Any) -> Any:
    return int(number) if number == int(number) else number


def _range(limits: Mapping[str, float]) -> str:
    if limits.keys() == {"ge", "le"}:
        return f" from {limits['ge']:g} to {limits['le']:.15g}"
    words = {
        "gt": " above {:g}",
        "ge": ", {:g} or more",
        "lt": " below {:g}",
        "le": ", {:g} or less",
    }
    return "".join(words[name].format(limit) for name, limit in limits.items())


def _fits(number: float, limits: Mapping[str, float]) -> bool:
    return (
        number > limits.get("gt", float("-inf"))
        and number >= limits.get("ge", float("-inf"))
        and number < limits.get("lt", float("inf"))
        and number <= limits.get("le", float("inf"))
    )


def read_number(value: Any, unit: str = "") -> float | None:
    """Read what people write for a number: ``30s``, ``5 min``, ``32MB``, ``10,000``.

    Returns:
        The number of seconds or bytes; None if the text is not understood.
    """
    found = _NUMBER.fullmatch(str(value))
    if found is None:
        return None
    number, suffix = float(re.sub("[,_]", "", found[1])), found[2].lower()
    if not suffix:
        return number
    if unit == "bytes":
        # 32m, 32mb and 32mib; people mean powers of two.
        factor = _BYTES.get(re.sub("(?<=[kmg])i?b$", "", suffix)) or (suffix == "bytes")
    elif unit == "seconds":
        factor = _SECONDS.get(suffix) or _SECONDS.get(re.sub("(ute|our|ond|ay)?s?$", "", suffix), 0)
    else:
        factor = 0
    return number * factor if factor else None


class _Seconds:
    """Makes the example of a time: what was written in seconds, or else the default."""

    def __init__(self, default: Any) -> None:
        self._default = default

    def __call__(self, value: Any) -> float:
        number = read_number(value, "seconds")
        if number is None:
            is_time = isinstance(self._default, timedelta)
            number = self._default.total_seconds() if is_time else 120
        return float(_short(number)) if number != int(number) else int(number)


def as_list(value: Any) -> list[str]:
    """Make a list of what people write for one: ``123``, ``1,2``, ``1 2`` or ``[a, b]``."""
    if isinstance(value, (*_LISTS, dict)):
        parts = [str(part) for part in value]
    else:
        parts = re.split(r"[,;，、\s]+", str(value).strip().strip("[](){}"))
    cleaned = [part.strip("\"' ") for part in parts]
    return [part for part in cleaned if part] or ["text"]
