"""Makes HTML. Every text is escaped, unless this module has made HTML of it already."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from html import escape


class Markup(str):
    """A text that is HTML; only the functions below make it."""

    __slots__ = ()


NOTHING = Markup()

# Most texts of a table are in many of its rows.
_escaped = lru_cache(maxsize=1024)(escape)


def element(name: str, *content: str, **attributes: str | None) -> Markup:
    """Make an element, with its end tag.

    Args:
        name: The tag.
        *content: Markup, which is taken as it is, and texts, which are escaped.
        **attributes: ``class_`` is ``class``, and any other ``_`` a hyphen. None leaves one out.
    """
    tag = name
    for key, value in attributes.items():
        if value is not None:
            tag = f'{tag} {_name(key)}="{_escaped(value)}"'
    return Markup(f"<{tag}>{joined(content)}</{name}>")


@lru_cache
def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def filled(template: str, *values: str) -> Markup:
    """Fill the ``{}`` of a template, which is HTML, where ``element`` would take too long.

    Args:
        template: HTML; an attribute's value in it has to be quoted.
        *values: Markup, which is taken as it is, and texts, which are escaped.
    """
    return Markup(template.format(*_as_html(values)))


def joined(parts: Iterable[str]) -> Markup:
    """Join Markup, and texts, which are escaped."""
    return Markup("".join(_as_html(parts)))


def _as_html(parts: Iterable[str]) -> list[str]:
    return [part if type(part) is Markup else _escaped(part) for part in parts]
