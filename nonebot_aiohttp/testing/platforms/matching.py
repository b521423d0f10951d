"""Whether something is what a test has described: a part of JSON, a path with placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Where = Callable[[Any], bool] | Mapping[str, Any] | str | bytes | None
"""What a message has to be.

A function decides; a mapping is a part of a JSON object; a text or bytes are the whole message;
None is any message.
"""


def has_part(found: Any, part: Any) -> bool:
    """Tell whether JSON contains a part.

    An object contains one with fewer fields, at each level. A function as a value decides about
    what stands there. Lists have the same length, and each item contains its part.
    """
    if callable(part):
        return bool(part(found))
    if isinstance(part, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and has_part(found[name], value) for name, value in part.items()
        )
    if isinstance(part, list | tuple):
        return (
            isinstance(found, list)
            and len(found) == len(part)
            and all(has_part(item, wanted) for item, wanted in zip(found, part, strict=True))
        )
    # JSON tells true from 1.
    return isinstance(found, bool) == isinstance(part, bool) and bool(found == part)


def differences(found: Any, part: Any, place: str = "") -> list[str]:
    """Tell where JSON differs from a part that it does not contain, a line for each place.

    A place is written as in Python: ``["chat"]["id"]``.
    """
    if has_part(found, part):
        return []
    shown = place or "the whole"
    if isinstance(part, Mapping) and isinstance(found, Mapping):
        lines = []
        for name, value in part.items():
            inner = f"{place}[{name!r}]"
            if name in found:
                lines += differences(found[name], value, inner)
            else:
                lines.append(f"{inner} is missing, beside {_names(found)}")
        return lines
    if isinstance(part, list | tuple) and isinstance(found, list):
        if len(part) != len(found):
            return [f"{shown} has {len(found)} items instead of {len(part)}: {found!r}"]
        pairs = enumerate(zip(found, part, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{place}[{i}]")]
    if callable(part):
        return [f"{shown} is {found!r}, which {part!r} does not accept"]
    return [f"{shown} is {found!r} instead of {part!r}"]


def _names(found: Mapping[Any, Any]) -> str:
    return ", ".join(map(repr, found)) or "nothing"


class Path:
    """A path as a test writes it.

    ``/bot{token}/{method}`` has placeholders, each for a part without a slash; ``{rest:.*}`` has a
    regular expression of its own. Without placeholders it is the path itself.
    """

    def __init__(self, text: str | re.Pattern[str]) -> None:
        """Take the text, or a regular expression that has to match all of the path.

        Raises:
            ValueError: The text cannot be a path, and so no request would match it.
        """
        self.text = text if isinstance(text, str) else text.pattern
        self._pattern = re.compile(_regular(text)) if isinstance(text, str) else text

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the placeholders, or None if it is another path."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    def __str__(self) -> str:
        return self.text


_PLACEHOLDER = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
"""``{name}`` or ``{name:regular expression}``, which may have braces of its own."""


def _regular(text: str) -> str:
    """Make a regular expression of a path with placeholders."""
    made, end = [], 0
    for found in _PLACEHOLDER.finditer(text):
        made.append(_plain(text[end : found.start()], text))
        name, own = found.groups()
        made.append(f"(?P<{name}>{own or '[^/]+'})")
        end = found.end()
    made.append(_plain(text[end:], text))
    if not text.startswith(("/", "{")):
        raise ValueError(
            f"{text!r} is not a path: a path begins with a slash, and has neither scheme nor host "
            "(host= names one)"
        )
    return "".join(made)


def _plain(piece: str, text: str) -> str:
    if "?" in piece:
        raise ValueError(f"{text!r} has a query, and a path has none: json= asks for parameters")
    if "{" in piece or "}" in piece:
        raise ValueError(
            f"{text!r} has a brace that does not belong to a placeholder such as {{name}}"
        )
    return re.escape(piece)
