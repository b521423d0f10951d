"""What the kit starts the process of a bot with, and how it reads what that writes."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp.testing import program
from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.bots.output import Output
from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.inside import hosting
from nonebot_aiohttp.testing.inside.telling import tell

# Before a test begins to look for open sockets.
ports.claim()


class Bots:
    """Functions of an author's test module, good ones and bad ones."""

    class Inner:
        """A class within a class."""

        @staticmethod
        def good(default: int = 1, *more: int) -> None:
            """Take nothing that is needed."""

    def method(self) -> None:
        """Need an instance."""

    @staticmethod
    async def asynchronous() -> None:
        """Need a loop."""


def test_a_function_is_found_again_in_its_file() -> None:
    path, module, name = hosting.place_of(Bots.Inner.good)
    assert (path, module, name) == (__file__, __name__, "Bots.Inner.good")
    found: Any = program.load(path, module)
    assert found.Bots.Inner.good is Bots.Inner.good


def test_a_module_that_cannot_be_imported_by_its_name_is_found_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As two test modules of one name, in folders without an __init__.py.
    path = tmp_path / "json.py"
    path.write_text("import sys\nown = sys.modules[__name__]\n", "utf-8")
    monkeypatch.setitem(sys.modules, "json", json)
    monkeypatch.delitem(sys.modules, "bot_of_a_test", raising=False)
    for name in ("json", "no.such.package", "__main__"):
        loaded: Any = program.load(str(path), name)
        assert loaded.own is loaded
        assert loaded.__file__ == str(path)


def test_what_no_other_process_finds_says_what_to_write() -> None:
    captured = 1

    def closure() -> int:
        return captured

    bad: dict[str, Callable[[], object]] = {
        r"<lambda> is a lambda, .* pass it data by settings=": lambda: None,
        r"closure is defined within a function, which .* cannot find by its name": closure,
        r"is a bound method, .* static methods": Bots().method,
        r"is partial, .* def bot\(\) -> None": functools.partial(Bots.Inner.good, 1),
        r"Bots\.asynchronous is async, but .*\.on_startup": Bots.asynchronous,
        r"Bots\.method needs self, but .* make a method static": Bots.method,  # type: ignore[dict-item]
    }
    for message, function in bad.items():
        with pytest.raises(TypeError, match=message):
            hosting.place_of(function)


def test_a_server_imports_no_function() -> None:
    with pytest.raises(ValueError, match="command= needs the path of a program"):
        hosting.inner_command(Bots.Inner.good, (), ["uvicorn"])


def test_settings_become_json() -> None:
    settings = {
        "TEXT": "123",
        "path": Path("a") / "b",
        "names": frozenset({"b", "a"}),
        "time": timedelta(minutes=1),
        "nested": {"Key": [None, 1.5]},
    }
    assert json.loads(hosting.as_json(settings)) == {
        "text": "123",
        "path": os.path.join("a", "b"),
        "names": ["a", "b"],
        "time": 60.0,
        "nested": {"Key": [None, 1.5]},
    }


def test_a_setting_without_json_is_named() -> None:
    with pytest.raises(TypeError, match=r"the setting 'key' cannot .* b'x' is no JSON"):
        hosting.as_json({"good": 1, "key": {"inner": b"x"}})


def test_the_bot_imports_what_its_test_can_import(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.util.find_spec("pytest")
    assert spec is not None
    assert spec.origin is not None
    packages = Path(spec.origin).parents[1]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path, str(tmp_path / "not there")])
    found = hosting.importable_from()
    assert found[0] == str(tmp_path)
    assert str(packages) not in found
    assert str(Path(asyncio.__file__).parents[1]) not in found
    assert str(tmp_path / "not there") not in found


def test_output_comes_apart_wherever_it_was_cut() -> None:
    data = b'one\r\n\x1b[31mtw\x1e{"n": 1}\x1f\x1e{"n": 2}\x1fo\x1b[0m\nth\xffree\x1e{"n": 3}\x1f'
    for cut in range(len(data) + 1):
        lines, entries = list[str](), list[dict[str, Any]]()
        reading, writing = os.pipe()
        output = Output(reading, lines.append, entries.append)
        for part in (data[:cut], data[cut:]):
            os.write(writing, part)
        os.close(writing)
        assert output.join(10)
        assert lines == ["one", "two", "th\N{REPLACEMENT CHARACTER}ree"]
        assert entries == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_what_is_no_entry_stays_in_the_log() -> None:
    lines, entries = list[str](), list[dict[str, Any]]()
    reading, writing = os.pipe()
    output = Output(reading, lines.append, entries.append)
    os.write(writing, b'a \x1enot JSON\x1f b\n\x1e{"n": 1}\x1fc\n')
    os.close(writing)
    assert output.join(10)
    assert lines == ["a \x1enot JSON\x1f b", "c"]
    assert entries == [{"n": 1}]


def test_nobody_tells_in_another_process() -> None:
    with pytest.raises(RuntimeError, match="BotProcess has not started this process"):
        tell("something")


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no program .*none\.py"):
        BotProcess(tmp_path / "none.py")


def test_settings_that_are_arguments() -> None:
    with pytest.raises(ValueError, match=r"settings has 'PORT': write port= of BotProcess"):
        BotProcess(__file__, settings={"PORT": 1})


def test_a_setting_that_is_no_json() -> None:
    with pytest.raises(TypeError, match=r"the setting 'x' cannot be carried .* object at"):
        BotProcess(__file__, settings={"x": object()})
