"""Which NoneBot is installed, and which drivers a test runs on."""

import importlib.util
import os
import re
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import pytest

from nonebot_aiohttp.testing import OURS as OURS
from tests.support.absent import missing, not_installed


def nonebot_version() -> tuple[int, ...] | None:
    """Return NoneBot2's version without its suffix, or None when it is not installed.

    The alphas of 2021 are all ``2.0.0a...``: they give ``(2, 0, 0)``.
    """
    return _version_of("nonebot2")


def _version_of(distribution: str) -> tuple[int, ...] | None:
    try:
        found = version(distribution)
    except PackageNotFoundError:
        return None
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", found)
    return tuple(map(int, match.groups())) if match else None


def ours_exists() -> bool:
    """Tell whether our NoneBot face is installed, without importing any of it."""
    spec = importlib.util.find_spec(OURS.partition(".")[0])
    folders = spec.submodule_search_locations if spec else None
    return any(
        os.path.isfile(os.path.join(folder, "nonebot2", "__init__.py")) for folder in folders or ()
    )


@dataclass(frozen=True)
class Candidate:
    """One way to run a bot: the ``DRIVER`` line, and who hosts the application.

    Attributes:
        line: The ``DRIVER`` line.
        host: Who hosts it.
        env: More of the environment.
        server: The module of a server that imports the program instead of being called by it, and
            its arguments; ``{port}`` is where to listen and ``{program}`` what to import.
        prefix: The path below which the bot is.
        needs: The distributions that it needs besides NoneBot2's.
    """

    line: str
    host: str = "run"
    env: dict[str, str] = field(default_factory=dict)
    server: tuple[str, ...] = ()
    prefix: str = ""
    needs: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether our driver does the part under test."""
        return OURS in self.line

    @property
    def documented(self) -> str:
        """Its host's name in the table of docs/hosts.md."""
        return {"run": "run()", "serve": "serve()", "subapp": "add_subapp"}.get(
            self.host, self.host
        )

    @property
    def has_server(self) -> bool:
        """Whether it listens: the aiohttp driver of 2021 only connects."""
        return self.line != "nonebot.drivers.aiohttp" and "~none" not in self.line

    @property
    def exit_codes(self) -> set[int]:
        """What a process ends with after SIGTERM: uvicorn raises it again when it has stopped."""
        by_uvicorn = "fastapi" in self.line or self.host in (
            "uvicorn",
            "uvicorn get_app",
            "Starlette",
        )
        return {0, -15} if by_uvicorn else {0}

    def __str__(self) -> str:
        return self.line if self.host == "run" else f"{self.line}@{self.host}"


def _ours(*candidates: Candidate) -> list[Candidate]:
    return list(candidates) if ours_exists() else []


CLIENTS = [
    Candidate("~fastapi+~aiohttp"),
    Candidate("~fastapi+~httpx+~websockets"),
    *_ours(Candidate(OURS), Candidate(f"~none+{OURS}"), Candidate(f"~fastapi+{OURS}")),
]
"""Drivers whose client half is tested."""

SERVERS = [
    Candidate("~fastapi+~aiohttp"),
    *_ours(Candidate(OURS), Candidate(OURS, "uvicorn")),
]
"""Drivers whose server half is tested."""

BOTS = [
    Candidate("~fastapi+~aiohttp"),
    Candidate("~fastapi+~httpx+~websockets"),
    *_ours(Candidate(OURS)),
]
"""Drivers that run a whole bot with real adapters."""

FORWARD = [Candidate("~none+~aiohttp"), *_ours(Candidate(OURS), Candidate(f"~none+{OURS}"))]
"""Drivers that run a whole bot which only goes to its platform."""


def _hosted() -> list[Candidate]:
    """List NoneBot's own driver, and ours under each host."""
    found = [Candidate(OURS), Candidate(OURS, "serve"), Candidate(OURS, "attach")]
    found.append(Candidate(OURS, "subapp", prefix="/bots/here"))
    worker = ("-k", "aiohttp.GunicornWebWorker", "-b", "127.0.0.1:{port}")
    found.append(_served("gunicorn", "gunicorn", *worker, "{program}:server_app"))
    found.append(_served("uvicorn", "uvicorn", "--port", "{port}", "{program}:asgi"))
    where = ("-w", "0", "-b", "127.0.0.1:{port}")
    found.append(_served("hypercorn", "hypercorn", *where, "{program}:asgi"))
    site = ("--factory", "--port", "{port}", "{program}:site")
    found.append(_served("Starlette", "uvicorn", *site, prefix="/bots/here"))
    return [Candidate("~fastapi+~aiohttp"), *_ours(*found)]


def _served(host: str, *server: str, prefix: str = "") -> Candidate:
    return Candidate(OURS, host, server=server, prefix=prefix, needs=server[:1])


HOSTED = _hosted()
"""Drivers under all of their hosts."""

FASTAPI = [
    *HOSTED,
    *_ours(_served("uvicorn get_app", "uvicorn", "--port", "{port}", "{program}:app")),
]
"""Drivers whose application is FastAPI's."""

CONSOLES = [
    Candidate("~fastapi+~httpx+~websockets"),
    *_ours(Candidate(OURS), Candidate(f"~fastapi+{OURS}")),
]
"""Drivers that run the web consoles of NoneBot's store."""

FORERUNNERS = [
    Candidate("nonebot.drivers.fastapi"),
    *_ours(Candidate(OURS)),
]
"""Drivers that run a bot of 2021."""

FORWARD_FORERUNNERS = [
    Candidate("nonebot.drivers.aiohttp"),
    *_ours(Candidate(OURS)),
]
"""Drivers that connect a bot of 2021 to its platform."""

GROUPS = {
    "client_driver": CLIENTS,
    "server_driver": SERVERS,
    "bot_driver": BOTS,
    "forward_driver": FORWARD,
    "hosted_driver": HOSTED,
    "fastapi_driver": FASTAPI,
    "console_driver": CONSOLES,
    "old_driver": FORERUNNERS,
    "old_forward_driver": FORWARD_FORERUNNERS,
}


def _why_not(candidate: Candidate, definition: pytest.Function) -> str | None:
    """Honour the marks ``stock_is_wrong`` and ``not_under``, and look for what is missing."""
    if missed := missing(*candidate.needs):
        return not_installed(missed)
    if candidate.host in _in_force(definition, "not_under", "aiohttp"):
        return f"not under {candidate.host}"
    wrong = _in_force(definition, "stock_is_wrong", "nonebot2")
    if not candidate.is_ours and any(part in candidate.line for part in wrong):
        return "NoneBot's own driver does otherwise"
    return None


def _in_force(definition: pytest.Function, name: str, distribution: str) -> list[str]:
    """List what the marks of a name leave out beside the version of a distribution."""
    installed = _version_of(distribution) or ()
    return [
        mark.args[0]
        for mark in definition.iter_markers(name)
        if "before" not in mark.kwargs or installed < _numbers(mark.kwargs["before"])
    ]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a fixture of `GROUPS` each driver of its group."""
    for name, candidates in GROUPS.items():
        if name in metafunc.fixturenames:
            chosen = [_param(candidate, metafunc.definition) for candidate in candidates]
            metafunc.parametrize(name, chosen, ids=str, scope="module")


def _param(candidate: Candidate, definition: pytest.Function) -> object:
    """Make a parameter; the warnings of NoneBot's own drivers are not our errors."""
    marks = [] if candidate.is_ours else [pytest.mark.filterwarnings("ignore")]
    if reason := _why_not(candidate, definition):
        marks.append(pytest.mark.absent(reason))
    return pytest.param(candidate, marks=marks)


def mark_absent(items: list[pytest.Item]) -> None:
    """Mark the tests that need a newer NoneBot2."""
    installed = nonebot_version() or ()
    for item in items:
        for mark in item.iter_markers("needs_nonebot"):
            if installed < _numbers(mark.args[0]):
                item.add_marker(pytest.mark.absent(f"needs NoneBot2 {mark.args[0]}"))


def place(item: pytest.Item) -> tuple[str, str]:
    """Return where an item belongs in a run: by its module, and there by its driver."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return str(item.path), next((str(v) for v in params.values() if isinstance(v, Candidate)), "")
