"""The event loops on which projects run their async tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loops:
    """How a project marks its async tests and fixtures, and what stands in its configuration."""

    name: str
    mark: str = ""
    fixture: str = "@pytest.fixture"
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def fill(self, suite: str) -> str:
        """Fill in the marks, for which a suite has ``# async test`` and ``# async fixture``."""
        return suite.replace("# async test", self.mark).replace("# async fixture", self.fixture)

    @property
    def head(self) -> str:
        """What stands at the beginning of the module of tests."""
        return "import pytest_asyncio\n" if "asyncio" in self.mark else ""

    def __str__(self) -> str:
        return self.name

    @property
    def arguments(self) -> list[str]:
        """The options of pytest."""
        return [*self.options, *(part for setting in self.settings for part in ("-o", setting))]


_SESSION = (
    "asyncio_default_fixture_loop_scope=session",
    "asyncio_default_test_loop_scope=session",
)

LOOPS = (
    Loops("auto-function", settings=("asyncio_mode=auto",)),
    Loops("auto-session", settings=("asyncio_mode=auto", *_SESSION)),
    Loops(
        "strict-function",
        "@pytest.mark.asyncio",
        "@pytest_asyncio.fixture",
        ("asyncio_mode=strict",),
    ),
    Loops(
        "strict-session",
        '@pytest.mark.asyncio(loop_scope="session")',
        '@pytest_asyncio.fixture(loop_scope="session")',
        ("asyncio_mode=strict",),
    ),
    Loops("anyio", "@pytest.mark.anyio", options=("-p", "no:asyncio")),
)
"""pytest-asyncio in both modes with both loops, and anyio's own plugin."""
