"""The page of errors and that of the log have each text that the package raises, logs or sends."""

from __future__ import annotations

import configparser
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nonebot_aiohttp import Driver, exceptions
from nonebot_aiohttp.connections import closing
from tests.docs.messages import spans, templates
from tests.docs.parts import COMPOSED, FOREIGN, INTERNAL
from tests.support import absent
from tests.support.bots import RecordingBot, make_driver
from tests.support.documents import CHINESE, ROOT, Document

PAGE = Document(ROOT / "docs" / "errors.md")
WATCHING = Document(ROOT / "docs" / "watching.md")
TEMPLATES = templates()
SPANS = [span for page in (PAGE, WATCHING) for span in spans(page) if len(span.split()) > 2]
PARTS = {text for texts in COMPOSED.values() for text in texts}
NEEDS_SETTINGS = absent.needs("pydantic-settings")
KNOWN = {text for texts in INTERNAL.values() for text in texts}


@pytest.mark.parametrize("span", SPANS)
def test_the_package_has_each_text_of_the_pages(span: str) -> None:
    assert span in TEMPLATES or span in FOREIGN or set(COMPOSED[span]) <= set(TEMPLATES)


def test_the_pages_have_each_text_of_the_package() -> None:
    explained = {*SPANS, *PARTS, *KNOWN}
    missing = {text: place for text, place in TEMPLATES.items() if text not in explained}
    assert not missing, "explain them in docs/errors.md"


def test_what_needs_no_explanation_is_still_there() -> None:
    assert not (KNOWN | PARTS) - set(TEMPLATES)
    assert not KNOWN & set(SPANS)
    assert not set(COMPOSED) - set(SPANS)


def test_each_text_stands_once() -> None:
    assert sorted(SPANS) == sorted(set(SPANS))


FIXED = r"`+[^`]+`+|\b(?:DEBUG|INFO|WARNING|ERROR|\d{3,4})\b"
"""What no translation changes: code, levels of the log, statuses and close codes."""


@pytest.mark.parametrize("page", [PAGE, WATCHING], ids=lambda page: page.path.name)
def test_the_chinese_page_explains_the_same_texts(page: Document) -> None:
    chinese = Document(CHINESE / page.path.name)
    assert spans(chinese) == spans(page)
    for ours, theirs in zip(page.rows(".*"), chinese.rows(".*"), strict=True):
        fixed, translated = (
            {*re.findall(FIXED, " ".join(row), re.ASCII)} for row in (ours, theirs)
        )
        assert fixed <= translated, theirs


def test_every_class_of_errors_is_explained() -> None:
    classes = {
        name: each
        for name, each in vars(exceptions).items()
        if inspect.isclass(each) and each.__module__ == exceptions.__name__
    }
    rows = {row[0].strip("`"): re.findall(r"\w+", row[1]) for row in PAGE.table("class")}
    assert set(rows) == set(classes)
    for name, also in rows.items():
        assert {*also} <= {base.__name__ for base in classes[name].__mro__[1:]}


def test_every_close_code_of_the_package_is_explained() -> None:
    numbers = {value for value in vars(closing).values() if isinstance(value, int)}
    codes = {str(number) for number in numbers if 1000 <= number < 3000} - {"1004"}
    assert len(codes) > 5
    assert codes <= {row[0] for row in PAGE.table("code")}


MISTAKES: list[Callable[[], object]] = [
    lambda: Driver(),  # type: ignore[call-arg]
    lambda: Driver(("env", "config")),  # type: ignore[call-arg, arg-type]
    lambda: make_driver().register_adapter(RecordingBot),  # type: ignore[call-arg, arg-type]
    lambda: RecordingBot(),  # type: ignore[call-arg]
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_what_python_refuses_is_explained_in_its_words(number: int) -> None:
    with pytest.raises(TypeError) as raised:
        MISTAKES[number]()
    assert f"`TypeError: {raised.value}`" in {row[0] for row in PAGE.rows(".*")}


def test_what_python_and_pip_say_later_is_explained_in_their_words() -> None:
    rows = {row[0] for row in PAGE.rows(".*")}
    name = Driver.serve.__qualname__
    assert f"`RuntimeWarning: coroutine '{name}' was never awaited`" in rows
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = setup["options"]["python_requires"]
    assert f"`requires a different Python: ... not in '{wanted}'`" in rows


HIDDEN = {"API_ROOT": "API_ROOT=http://127.0.0.1:5700"}
"""What is given where the error does not show the value."""


def dotenv_of(line: str) -> bytes:
    """Make the file of which an error speaks."""
    if line.startswith(".env is not encoded"):
        return 'NICKNAME=["你好"]\n'.encode("gbk")
    return HIDDEN.get(line.partition(" ")[0], line.partition(" in .env")[0]).encode()


@pytest.mark.parametrize(
    "line",
    [pytest.param(line, marks=NEEDS_SETTINGS) for line in PAGE.code("text", "PORT=").splitlines()],
)
def test_the_examples_of_wrong_settings_are_what_is_raised(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nonebot_aiohttp import Driver, load_config

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(dotenv_of(line))
    with pytest.raises(exceptions.ValidationError) as raised:
        Driver(*load_config())
    assert str(raised.value) == line
