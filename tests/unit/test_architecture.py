"""docs/architecture.md names every module, and nothing that does not exist.

The modules are read, not imported, because some need NoneBot.
"""

from __future__ import annotations

import configparser
import re

from tests.support.documents import ROOT, Document
from tests.support.walks import PACKAGE, PAGE

TEXT = Document(PAGE).text
ROOMS = re.findall(r"^\*\*.+(?:\n.+)*", TEXT, re.MULTILINE)
"""The paragraphs that begin with rooms."""

SOURCES = {
    ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path.read_text("utf-8")
    for path in (ROOT / PACKAGE).rglob("*.py")
}
MODULES = [name for name in SOURCES if not name.endswith("__init__")]
NAMED = sorted(set(re.findall(r"`((?:\w+\.)+\w+)`", TEXT)))


def is_ours(name: str) -> bool:
    """Tell whether a name begins with a room; a driver's attributes do not."""
    room = name.partition(".")[0]
    return room != "driver" and any(module.partition(".")[0] == room for module in MODULES)


def exists(name: str) -> bool:
    """Tell whether a name is a module, or its parts are defined in one."""
    module, rest = name, list[str]()
    while module and module not in SOURCES and f"{module}.__init__" not in SOURCES:
        module, _, last = module.rpartition(".")
        rest.append(last)
    defined = r"^\s*(?:class |(?:async )?def |self\.|)%s(?=[\s:=(])"
    return all(re.search(defined % part, SOURCES.get(module, ""), re.MULTILINE) for part in rest)


def test_what_is_named_exists() -> None:
    ours = [name for name in NAMED if is_ours(name)]
    assert ours
    assert [name for name in ours if not exists(name)] == []


def test_what_does_not_exist_is_noticed() -> None:
    assert exists("reverse.gate.Gate.admit")
    assert exists("reverse.guests.guest")
    assert not exists("reverse.gate.Gate.ask")
    assert not exists("reverse.gates")


def has_place(module: str) -> bool:
    """Tell whether a module is named in the paragraph of its room, or both it and its package."""
    room, _, name = module.partition(".")
    places = [each for each in ROOMS if any(f"`{room}`" in head for head in heads_of(each))]
    parts = name.split(".")
    return any(f"`{name or room}`" in place for place in places) or any(
        all(f"`{part}`" in place for part in parts) for place in places
    )


def heads_of(paragraph: str) -> list[str]:
    """Collect what is printed bold."""
    return re.findall(r"\*\*(.+?)\*\*", paragraph)


def test_every_module_has_its_place() -> None:
    assert [module for module in MODULES if not has_place(module)] == []


def test_the_modules_that_are_named_in_a_room_exist() -> None:
    """They are named without the room there: ``guests.guest`` of ``reverse``."""
    for place in ROOMS:
        rooms = [room for head in heads_of(place) for room in re.findall(r"`(\w+)`", head)]
        for name in re.findall(r"`((?:\w+\.)+\w+)`", place):
            inside = any(f"{room}.{name}" in SOURCES for room in rooms)
            assert inside or is_ours(name) or name.startswith("driver."), name


def test_the_rooms_stand_in_their_import_order() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = setup["importlinter:contract:rooms"]["layers"].split("\n")
    heads = (head for room in ROOMS for head in heads_of(room))
    rooms = [name for head in heads for name in re.findall(r"`(\w+)`", head)]
    order = [next(n for n, layer in enumerate(layers) if room in layer.split()) for room in rooms]
    assert order == sorted(order, reverse=True)


def test_it_can_be_read_in_an_hour() -> None:
    assert len(TEXT.splitlines()) <= 250
