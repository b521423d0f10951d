"""What an import of the package brings along: nothing of NoneBot, nothing that is an extra."""

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import nonebot_aiohttp

CONFIG = ("nonebot_aiohttp.config", "nonebot_aiohttp.settings.sources")
"""The only modules that need the extra of the standalone driver."""

MODULES = [
    "nonebot_aiohttp",
    *(
        found.name
        for found in pkgutil.walk_packages(
            nonebot_aiohttp.__path__, "nonebot_aiohttp.", onerror=lambda name: None
        )
        if ".nonebot2" not in found.name and found.name not in CONFIG
    ),
]
"""All others, but for those of the NoneBot face."""


def imported_by(modules: list[str]) -> set[str]:
    """Import modules in a process of its own; return the packages that are there afterwards."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", code, *modules]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_the_modules_are_found() -> None:
    assert {"nonebot_aiohttp.standalone", "nonebot_aiohttp.reverse.asgi_transport"} <= set(MODULES)


def test_no_module_but_those_of_its_face_imports_nonebot() -> None:
    has_extra = importlib.util.find_spec("pydantic_settings") is not None
    assert "nonebot" not in imported_by([*MODULES, *CONFIG] if has_extra else MODULES)


def test_no_module_but_the_configuration_imports_an_extra() -> None:
    extras = {"prometheus_client", "pydantic_settings", "uvloop", "uvicorn", "starlette"}
    assert not imported_by(MODULES) & extras


def test_the_old_place_of_the_driver_warns_and_is_the_same_class() -> None:
    with pytest.warns(DeprecationWarning, match="import Driver from nonebot_aiohttp"):
        old = importlib.import_module("nonebot_aiohttp.driver")
    assert old.Driver is nonebot_aiohttp.Driver


def test_the_old_place_of_the_driver_is_an_attribute_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "nonebot_aiohttp.driver", raising=False)
    monkeypatch.delattr(nonebot_aiohttp, "driver", raising=False)
    with pytest.warns(DeprecationWarning, match="import Driver from nonebot_aiohttp"):
        old = nonebot_aiohttp.driver
    assert old.Driver is nonebot_aiohttp.Driver


def test_the_face_of_nonebot2_says_which_versions_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nonebot, drivers = ModuleType("nonebot"), ModuleType("nonebot.drivers")
    monkeypatch.setattr(nonebot, "drivers", drivers, raising=False)
    monkeypatch.setitem(sys.modules, "nonebot", nonebot)
    monkeypatch.setitem(sys.modules, "nonebot.drivers", drivers)
    monkeypatch.delitem(sys.modules, "nonebot_aiohttp.nonebot2", raising=False)
    with pytest.raises(ImportError, match=r"needs NoneBot2 2\.4 or newer, or 2\.0\.0a14"):
        importlib.import_module("nonebot_aiohttp.nonebot2")
