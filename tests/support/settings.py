"""The tables of settings on the pages docs/settings.md and docs/zh/settings.md.

``python -m tests.support.settings`` writes them anew into both pages. What stands around the tables
is written by hand. The meanings are the descriptions of the fields, in Chinese those of
chinese.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nonebot_aiohttp.config import Config, Env
from nonebot_aiohttp.options import MIB, PREFIX, DriverOptions
from tests.support.documents import CHINESE, DOCS
from tests.support.promises import CHINESE as TEXTS

DRIVER = {PREFIX + name: field for name, field in DriverOptions.model_fields.items()}
NONEBOT = {**Env.model_fields, **Config.model_fields}
TABLES = {"driver": DRIVER, "nonebot": NONEBOT}
"""The fields of each table, by the name of the mark before it: ``<!-- settings: driver -->``."""

BETWEEN_HAN = re.compile("(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
"""The spaces that Chinese has beside Latin text only."""


@dataclass(frozen=True)
class Words:
    """What a language calls the types and the defaults."""

    head: str
    types: dict[object, str]
    last: str
    comma: str
    none: str = "`none`"
    empty: str = "`[]`"

    def one_of(self, choices: list[str]) -> str:
        """Join alternatives."""
        *others, last = choices
        joined = self.comma.join(others) + self.last + last if others else last
        return BETWEEN_HAN.sub("", joined)


ENGLISH_WORDS = Words(
    "| setting | type | default | meaning |",
    {
        "bytes": "bytes",
        bool: "`true` or `false`",
        int: "whole number",
        float: "seconds",
        str: "text",
        Path: "path",
        frozenset[str]: "list of texts",
        set[str]: "list of texts",
        dict[str, str]: "object of texts",
        IPv4Address: "IP address",
        IPv6Address: "IP address",
        timedelta: "duration",
    },
    last=" or ",
    comma=", ",
)
CHINESE_WORDS = Words(
    "| 配置项 | 类型 | 默认值 | 含义 |",
    {
        "bytes": "字节数",
        bool: "`true` 或 `false`",
        int: "整数",
        float: "秒数",
        str: "字符串",
        Path: "路径",
        frozenset[str]: "字符串列表",
        set[str]: "字符串列表",
        dict[str, str]: "值为字符串的对象",
        IPv4Address: "IP 地址",
        IPv6Address: "IP 地址",
        timedelta: "时长",
    },
    last=" 或 ",
    comma="、",
)
Meaning = Callable[[str, FieldInfo], str]


def english_meaning(name: str, field: FieldInfo) -> str:
    """Return a field's description."""
    return field.description or ""


def chinese_meaning(name: str, field: FieldInfo) -> str:
    """Return the Chinese text for a setting."""
    return str(TEXTS["settings"][name])


def type_of(name: str, annotation: Any, words: Words) -> str:
    """Say in words what a setting takes."""
    if get_origin(annotation) is Literal:
        return words.one_of([f"`{choice}`" for choice in get_args(annotation)])
    if get_origin(annotation) in (Union, UnionType):
        kinds = (type_of(name, each, words) for each in get_args(annotation))
        return words.one_of(list(dict.fromkeys(kinds)))
    if annotation is NoneType:
        return words.none
    return words.types["bytes" if is_size(name) else annotation]


def is_size(name: str) -> bool:
    """Tell whether a setting is in bytes."""
    return name.endswith(("_size", "_memory"))


def default_of(name: str, value: Any, words: Words) -> str:
    """Write a default as a file of settings has it, or with its unit."""
    if value is None:
        return words.none
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float | timedelta):
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        return f"{seconds:g} s"
    if isinstance(value, dict):
        return "`{}`"
    if isinstance(value, set | frozenset):
        return "`[" + ", ".join(f'"{each}"' for each in sorted(value)) + "]`"
    if is_size(name):
        return f"{value // MIB} MiB" if value >= MIB else f"{value // 1024} KiB"
    return f"`{value}`"


def rows(fields: dict[str, FieldInfo], words: Words, meaning: Meaning) -> Iterator[str]:
    """Yield the lines of a table."""
    yield words.head
    yield "|---|---|---|---|"
    for name, field in fields.items():
        kind = type_of(name, field.annotation, words)
        default = default_of(name, field.default, words)
        cells = [f"`{name}`", kind, default, meaning(name, field)]
        yield "| " + " | ".join(cells) + " |"


def written(text: str, words: Words, meaning: Meaning) -> str:
    """Return a page's text with its tables written anew."""
    for name, fields in TABLES.items():
        text = with_table(text, name, "\n".join(rows(fields, words, meaning)))
    return text


def with_table(text: str, name: str, table: str) -> str:
    """Put a table behind its mark, in the place of the one that is there."""
    mark = f"<!-- settings: {name} -->\n"
    before, after = text.split(mark)
    return before + mark + table + "\n" + re.sub(r"\A(\|[^\n]*\n)*", "", after)


PAGES = {
    DOCS / "settings.md": (ENGLISH_WORDS, english_meaning),
    CHINESE / "settings.md": (CHINESE_WORDS, chinese_meaning),
}


if __name__ == "__main__":
    for page, (words, meaning) in PAGES.items():
        page.write_text(written(page.read_text("utf-8"), words, meaning), "utf-8")
