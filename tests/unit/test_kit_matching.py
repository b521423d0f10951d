"""Tests of what the kit's requests and messages are compared with."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nonebot_aiohttp.testing.platforms.matching import Path, differences, has_part


@pytest.mark.parametrize(
    ("found", "part"),
    [
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}),
        ([{"a": 1, "b": 2}, 3], [{"a": 1}, 3]),
        ({"a": 5}, {"a": lambda value: value > 4}),
        ({"a": None}, {"a": None}),
        ("text", "text"),
        (1.0, 1),
    ],
)
def test_a_part(found: Any, part: Any) -> None:
    assert has_part(found, part)
    assert differences(found, part) == []


@pytest.mark.parametrize(
    ("found", "part", "told"),
    [
        ({"a": 1}, {"b": 1}, "['b'] is missing, beside 'a'"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "['a']['b'] is 1 instead of 2"),
        ([1], [1, 2], "the whole has 1 items instead of 2"),
        ([{"a": 1}], [{"a": 2}], "[0]['a'] is 1 instead of 2"),
        ({"ok": 1}, {"ok": True}, "['ok'] is 1 instead of True"),
        ({"a": 3}, {"a": lambda value: value > 4}, "['a'] is 3, which"),
        ("text", {"a": 1}, "the whole is 'text' instead of {'a': 1}"),
        ({}, {"a": 1}, "['a'] is missing, beside nothing"),
    ],
)
def test_what_is_no_part_is_told_by_its_place(found: Any, part: Any, told: str) -> None:
    assert not has_part(found, part)
    (line,) = differences(found, part)
    assert told in line


@pytest.mark.parametrize(
    ("pattern", "path", "match"),
    [
        ("/sendMessage", "/sendMessage", {}),
        ("/bot{token}/{method}", "/bot1:a/getMe", {"token": "1:a", "method": "getMe"}),
        ("/bot{token}/{method}", "/bot1/a/b", None),
        ("/{rest:.*}", "/a/b", {"rest": "a/b"}),
        ("/{year:[0-9]{4}}/x", "/2024/x", {"year": "2024"}),
        ("/a.b", "/aXb", None),
        (re.compile(r"/v(?P<version>\d+)/.*"), "/v3/x", {"version": "3"}),
    ],
)
def test_paths(pattern: str | re.Pattern[str], path: str, match: dict[str, str] | None) -> None:
    assert Path(pattern).match(path) == match


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sendMessage", "begins with a slash"),
        ("https://api.telegram.org/x", "host= names one"),
        ("/x?offset=1", "json= asks for parameters"),
        ("/{a", "does not belong to a placeholder"),
        ("/a}", "does not belong to a placeholder"),
    ],
)
def test_what_cannot_be_a_path_says_why(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Path(text)
