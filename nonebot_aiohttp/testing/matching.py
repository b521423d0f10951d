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
    return bool(found == part)


class Path:
    """A path as a test writes it.

    ``/bot{token}/{method}`` has placeholders, each for a part without a slash; ``{rest:.*}`` has a
    regular expression of its own. Without placeholders it is the path itself.
    """

    def __init__(self, text: str | re.Pattern[str]) -> None:
        """Take the text, or a regular expression that has to match all of the path."""
        self.text = text if isinstance(text, str) else text.pattern
        self._pattern = re.compile(_regular(text)) if isinstance(text, str) else text

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the placeholders, or None if it is another path."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    def __str__(self) -> str:
        return self.text


def _regular(text: str) -> str:
    """Make a regular expression of a path with placeholders."""
    made = []
    for plain, name, own in re.findall(r"([^{]*)(?:\{(\w+)(?::([^}]+))?\})?", text):
        made.append(re.escape(plain))
        if name:
            made.append(f"(?P<{name}>{own or '[^/]+'})")
    return "".join(made)
