"""Walks through the package: those of docs/architecture.md, and the ways of real events."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from tests.support.documents import ROOT, Document

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = "nonebot_aiohttp"

_STEP = re.compile(r"^(\d+)\. `([\w.]+)`(.*(?:\n   .+)*)", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A numbered line of a walk.

    Attributes:
        name: The function, without the name of the package: ``reverse.gate.Gate.admit``.
        text: The page's text on it.
    """

    number: int
    name: str
    text: str


def walk(heading: str) -> list[Step]:
    """Read the walk below a heading of the page; raise ``KeyError`` if it is not there."""
    parts = re.split(r"^#+ (.+)\n", Document(PAGE).text, flags=re.MULTILINE)
    section = dict(zip(parts[1::2], parts[2::2], strict=True))[heading]
    steps = _STEP.findall(section)
    return [Step(int(number), name, " ".join(text.split())) for number, name, text in steps]


def names_of(heading: str) -> list[str]:
    """Read the functions of a walk from the page, in their order."""
    return [step.name for step in walk(heading)]


def code_of(name: str) -> CodeType:
    """Find the code of a function by its name, as in ``Step.name``.

    Raises:
        LookupError: The function does not exist, or is defined in another module.
    """
    owner: Any = importlib.import_module(PACKAGE)
    module = owner
    for part in name.split("."):
        if owner is module and has_module(module, part):
            owner = module = importlib.import_module(f"{module.__name__}.{part}")
        elif part in vars(owner):
            owner = vars(owner)[part]
        else:
            raise LookupError(f"{name} is on the page, and {part} does not exist")
    owner = owner.fget if isinstance(owner, property) else owner
    code: CodeType = inspect.unwrap(getattr(owner, "__func__", owner)).__code__
    if code.co_filename != module.__file__:
        raise LookupError(f"{name} is on the page, and is defined in {code.co_filename}")
    return code


def has_module(package: Any, name: str) -> bool:
    """Tell whether a module is a package that has a module of that name."""
    return hasattr(package, "__path__") and bool(
        importlib.util.find_spec(f"{package.__name__}.{name}")
    )


@contextmanager
def entered(names: Iterable[str]) -> Iterator[list[str]]:
    """Record the order in which functions are entered for the first time, in this thread.

    It uses ``sys.setprofile``, because coverage uses ``sys.settrace``.

    Yields:
        The functions that have been entered so far.
    """
    expected = {code_of(name): name for name in names}
    order: list[str] = []

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in expected:
            order.append(expected.pop(frame.f_code))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield order
    finally:
        sys.setprofile(before)
