"""Tests that the reference has the public names."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile

import nonebot_aiohttp

INVENTORY = InventoryFile.loads(Path(os.environ["DOCS_SITE"], "objects.inv").read_bytes(), uri="")
SHOWN = {name for entries in INVENTORY.data.values() for name in entries}
MODULES = (
    "drivers",
    "adapters",
    "config",
    "exceptions",
    "log",
    "nonebot2",
    "operations",
    "testing",
)


def public_names(module_name: str) -> set[str]:
    """Return the classes and functions of a module that have no underscore, or its own list."""
    module = importlib.import_module(module_name)
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module_name
        and not name.startswith("_")
    }


# Here, because the import of NoneBot adds a sink to the log.
PUBLIC = {module: public_names(f"nonebot_aiohttp.{module}") for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_a_page_has_the_names_of_its_module(module: str) -> None:
    assert PUBLIC[module]
    assert {f"nonebot_aiohttp.{module}.{name}" for name in PUBLIC[module]} <= SHOWN


def test_what_the_package_exports_is_on_a_page() -> None:
    last_parts = {name.rpartition(".")[2] for name in SHOWN if name.startswith("nonebot_aiohttp.")}
    assert {*nonebot_aiohttp.__all__} - {"__version__"} <= last_parts
