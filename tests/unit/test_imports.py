"""What an import of the package brings along: nothing of NoneBot, nothing that is an extra."""

import ast
import configparser
import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import nonebot_aiohttp
from nonebot_aiohttp import testing
from tests.support.documents import ROOT

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

KIT = [name for name in MODULES if name.startswith("nonebot_aiohttp.testing")]
"""The modules for authors of adapters."""

OF_PYTEST = ("nonebot_aiohttp.testing.plugin", "nonebot_aiohttp.testing.suites")
"""The modules of the kit that tests of pytest use, with what is below them."""


def modules_after(modules: list[str]) -> set[str]:
    """Import modules in a process of its own; return the modules that are there afterwards."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(*sys.modules)"
    )
    return run(code, *modules)


def imported_by(modules: list[str]) -> set[str]:
    """Import modules in a process of its own; return the packages that are there afterwards."""
    return {name.partition(".")[0] for name in modules_after(modules)}


def run(code: str, *arguments: str) -> set[str]:
    """Run Python in a process of its own; return the words that it has printed."""
    command = [sys.executable, "-c", code, *arguments]
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


def driver_modules(names: set[str]) -> set[str]:
    """Leave the modules of the package that are not the kit's."""
    ours = {name for name in names if name.startswith("nonebot_aiohttp.")}
    return {name for name in ours if name.split(".")[1] != "testing"}


def test_the_kit_for_authors_brings_nothing_of_the_driver_along() -> None:
    assert "nonebot_aiohttp.testing" in KIT
    names = modules_after(KIT)
    assert set(KIT) <= names
    assert driver_modules(names) == set()
    assert "nonebot" not in names


def test_the_kit_for_authors_needs_no_pytest() -> None:
    core = [name for name in KIT if not name.startswith(OF_PYTEST)]
    packages = imported_by(core)
    assert not packages & {"pytest", "_pytest", "pytest_asyncio", "trustme"}
    assert "pytest" in imported_by([*core, "pytest"])


def test_the_suites_are_names_of_the_kit_and_pytest_comes_with_the_first_of_them() -> None:
    code = (
        "import sys\nfrom nonebot_aiohttp import testing\n"
        "print('before' if 'pytest' in sys.modules else 'not yet')\n"
        "print(testing.ReverseWebSocketSuite.__module__, 'pytest' in sys.modules)"
    )
    words = run(code)
    assert "before" not in words
    assert {"nonebot_aiohttp.testing.suites.reverse", "True"} <= words


def test_each_name_of_the_kit_is_there() -> None:
    assert {*testing._PLACES} == {*testing.__all__} <= {*dir(testing)}
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Suit'"):
        testing.Suit  # noqa: B018 - the access is what is tested


def test_the_kit_for_authors_is_forbidden_every_other_room() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = setup["importlinter:contract:rooms"]["layers"].replace("|", " ").split()
    forbidden = setup["importlinter:contract:testing"]["forbidden_modules"].split()
    others = [f"nonebot_aiohttp.{room}" for room in layers if room != "testing"]
    assert sorted(forbidden) == sorted(others)


# The names of the package, each of which is imported when it is first used


def test_the_package_itself_imports_none_of_its_modules() -> None:
    assert driver_modules(modules_after(["nonebot_aiohttp"])) == set()


def test_each_name_is_listed_and_is_imported_for_type_checkers_from_the_same_place() -> None:
    tree = ast.parse(inspect.getsource(nonebot_aiohttp))
    places = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert places == nonebot_aiohttp._PLACES
    assert {*nonebot_aiohttp.__all__, *LAZY} == {*places, "__version__"}


LAZY = ("Config", "Env", "load_config")
"""Names that a star import leaves out, because they need an extra."""


@pytest.mark.parametrize("name", [*nonebot_aiohttp.__all__, "drivers"])
def test_a_name_is_in_the_namespace_once_it_was_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = getattr(nonebot_aiohttp, name)
    if name not in ("__version__", "drivers"):
        monkeypatch.delitem(vars(nonebot_aiohttp), name)
        assert getattr(nonebot_aiohttp, name) is expected
    assert vars(nonebot_aiohttp)[name] is expected


def test_a_star_import_brings_all_names_but_those_of_the_configuration() -> None:
    names = run("from nonebot_aiohttp import *\nprint(*globals())")
    assert set(nonebot_aiohttp.__all__) <= names
    assert not names & set(LAZY)


@pytest.mark.parametrize("name", nonebot_aiohttp._MODULES)
def test_the_modules_are_attributes_of_the_package(name: str) -> None:
    printed = run(f"import nonebot_aiohttp\nprint(nonebot_aiohttp.{name}.__name__)")
    assert printed == {f"nonebot_aiohttp.{name}"}


def test_what_is_listed_needs_no_extra_and_warns_of_nothing() -> None:
    code = (
        "import inspect, sys\n"
        "sys.modules['pydantic_settings'] = None\n"
        "import nonebot_aiohttp\n"
        "print(*(name for name, value in inspect.getmembers(nonebot_aiohttp)))"
    )
    assert set(nonebot_aiohttp.__all__) <= run(code)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Drivers'"):
        nonebot_aiohttp.Drivers  # noqa: B018


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
