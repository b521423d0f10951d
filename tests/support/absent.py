"""Deselects the tests that cannot run, for instance because a package is missing, and says so.

pytest drops ignored paths silently, and does not report the tests that a conftest removes. Here
both are deselected, counted in pytest's last line, and listed with the reason. That works under
pytest-xdist, too, whose workers do not report what they have deselected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

_PLUGIN = "absent"
_PLACES_SHOWN = 3


def missing(*distributions: str) -> list[str]:
    """Return the distributions among these that are not installed."""
    return [each for each in distributions if not _is_installed(each)]


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def not_installed(distributions: Iterable[str]) -> str:
    """Return the reason to deselect a test that needs these distributions."""
    names = ", ".join(distributions)
    return f"not installed: {names}"


def needs(*distributions: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a parameter that needs distributions."""
    missed = missing(*distributions)
    return [pytest.mark.absent(not_installed(missed))] if missed else []


def register(config: pytest.Config) -> None:
    """Add the plugin and its mark, from the ``pytest_configure`` of each conftest that needs it."""
    if not config.pluginmanager.has_plugin(_PLUGIN):
        config.addinivalue_line("markers", "absent(reason): deselect what cannot run here")
        config.pluginmanager.register(Deselection(), _PLUGIN)


def leave_out(config: pytest.Config, path: Path, reasons: dict[str, str]) -> bool | None:
    """Answer pytest's question whether to ignore a path, and note the reason.

    The keys of ``reasons`` are patterns for the end of the path. None leaves the answer to other
    plugins.
    """
    for pattern, reason in reasons.items():
        if fnmatch(path.as_posix(), f"*/{pattern}"):
            deselection: Any = config.pluginmanager.get_plugin(_PLUGIN)
            deselection.ignored[path] = reason
            return True
    return None


class _Absent(pytest.Item):
    """Stands for an ignored path, or for a test that a worker has deselected."""

    def runtest(self) -> None:
        raise AssertionError(f"{self.name} is deselected")


class Deselection:
    """A pytest plugin; ``ignored`` has the reason for each path that is not collected."""

    def __init__(self) -> None:
        self.ignored: dict[Path, str] = {}
        self._reasons: dict[str, str] = {}
        self._deselected: list[str] = []
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session, to which the stand-ins belong."""
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect the marked tests, and a stand-in for each ignored path."""
        absent = [item for item in items if item.get_closest_marker("absent")]
        items[:] = [item for item in items if not item.get_closest_marker("absent")]
        for item in absent:
            mark = item.get_closest_marker("absent")
            self._reasons[item.nodeid] = mark.args[0] if mark else ""
        asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
        places = {
            _relative(path, config): why
            for path, why in self.ignored.items()
            if any(path.is_relative_to(each) or each.is_relative_to(path) for each in asked)
        }
        self._reasons |= places
        if self._reasons:
            config.hook.pytest_deselected(items=[*absent, *map(self._stand_in, places)])

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note the deselected tests, including those that an option such as ``-k`` deselects."""
        self._deselected += [item.nodeid for item in items]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Pass a worker's notes to the process that started it."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["deselected"] = [self._deselected, self._reasons]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the notes of the first worker that ends, because each has collected all tests."""
        deselected, reasons = getattr(node, "workeroutput", {}).get("deselected", ([], {}))
        if deselected and not self._deselected:
            self._reasons = reasons
            node.config.hook.pytest_deselected(items=list(map(self._stand_in, deselected)))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the reasons, as pytest does for skipped tests."""
        places = defaultdict(list)
        for place, reason in self._reasons.items():
            places[reason].append(place)
        if places:
            terminalreporter.section("deselected")
        for reason, found in sorted(places.items()):
            shown = ", ".join(found[:_PLACES_SHOWN]) + (", ..." if found[_PLACES_SHOWN:] else "")
            terminalreporter.write_line(f"DESELECTED [{len(found)}] {reason}: {shown}")

    def _stand_in(self, name: str) -> pytest.Item:
        assert self._session is not None
        return _Absent.from_parent(self._session, name=name, nodeid=name)


def _relative(path: Path, config: pytest.Config) -> str:
    """Return a path as pytest writes it."""
    return path.relative_to(config.rootpath).as_posix()
