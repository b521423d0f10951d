"""The paths that are measured, the subjects on each path, and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from . import measure, working
from .measure import Measurement, Subject

BARE = "bare aiohttp"
BARE_TEXT = "bare aiohttp, str"
BARE_SERVER = "bare aiohttp, web.Server"
STANDALONE = "nonebot_aiohttp"
NONEBOT2 = "nonebot_aiohttp.nonebot2"
FASTAPI = "~fastapi"
FASTAPI_QUIET = "~fastapi, no access log"
QUART = "~quart"
IMPORT_NONEBOT = "import aiohttp.web, nonebot"


@dataclass(frozen=True)
class Target:
    """A figure that one subject has to reach, compared with another one in the same run.

    Attributes:
        subject: The name of the subject.
        against: The name of the subject that it is compared with.
        bound: The least quotient of the two; the greatest one where less is better.
    """

    subject: str
    against: str
    bound: float


@dataclass(frozen=True)
class BenchmarkPath:
    """A way that events or API calls take, and the subjects that are measured on it.

    Attributes:
        key: The name on the command line.
        unit: The unit of the figures.
        measurement: The function that measures one subject once.
        subjects: The reference comes first.
        more_is_better: False for memory and for time.
        steady: True if another round would give the same figures.
        processes: New processes for each subject in each round, in turn with the other subjects.
            If two subjects are nearly equal, their quotient depends on how each process happens
            to lie in memory.
    """

    key: str
    title: str
    unit: str
    measurement: Measurement
    subjects: tuple[Subject, ...]
    targets: tuple[Target, ...]
    more_is_better: bool = True
    steady: bool = False
    processes: int = 1

    @property
    def reference(self) -> str:
        """The name of the subject that the others are compared with."""
        return self.subjects[0].name


def _bare(role: str, endpoint: str = "/bench/ws") -> Subject:
    return Subject(BARE, "bare", (role,), ("aiohttp",), endpoint=endpoint)


def _standalone(role: str) -> Subject:
    return Subject(
        STANDALONE, "standalone", (role,), ("nonebot_aiohttp.standalone",), endpoint="/bench/ws"
    )


def _nonebot2(name: str, role: str, driver: str, *requires: str) -> Subject:
    requires = ("nonebot", *requires)
    return Subject(name, "nonebot2", (role, driver), requires, "/bench/ws")


def _nonebot2_driver(role: str) -> Subject:
    return _nonebot2(NONEBOT2, role, NONEBOT2, NONEBOT2)


def _stock_server(driver: str, role: str = "serve", name: str | None = None) -> Subject:
    return _nonebot2(name or driver, role, driver, f"nonebot.drivers.{driver[1:]}")


def _stock_client(name: str, role: str) -> Subject:
    modules = [f"nonebot.drivers.{driver[1:]}" for driver in (FASTAPI, name)]
    # NoneBot's users pair a client with FastAPI's driver, which brings uvloop along.
    return _nonebot2(name, role, f"{FASTAPI}+{name}", *modules)


BARE_APPLICATION = _bare("serve")
LOW_LEVEL_SERVER = Subject(BARE_SERVER, "bare", ("serve-low-level",), ("aiohttp",))
BARE_TEXT_SERVER = Subject(BARE_TEXT, "bare", ("serve",), ("aiohttp",), endpoint="/bench/text")
RAW_ASGI = Subject("raw ASGI function", "raw_asgi", (), ("uvicorn",))
FASTAPI_SERVER = _stock_server(FASTAPI)
FASTAPI_QUIET_SERVER = _stock_server(FASTAPI, "serve-quietly", FASTAPI_QUIET)
QUART_SERVER = _stock_server(QUART)
CALLERS = (
    _bare("call"),
    _nonebot2_driver("call"),
    _stock_client("~aiohttp", "call"),
    _stock_client("~httpx", "call"),
)
TLS_TARGETS = (
    Target(NONEBOT2, BARE, 0.85),
    Target(NONEBOT2, "~aiohttp", 8),
    Target(NONEBOT2, "~httpx", 8),
)
SERVERS = (BARE_APPLICATION, _standalone("serve"), _nonebot2_driver("serve"), FASTAPI_SERVER)


WORKING = (
    Subject(STANDALONE, "onebot", ("example",), ("pydantic_settings", "picows"), "/cqhttp/"),
    Subject(NONEBOT2, "onebot", ("nonebot2",), ("nonebot.adapters.onebot.v11",), "/onebot/v11/"),
)


def _calls(key: str, title: str, tls: bool, at_once: int, *targets: Target) -> BenchmarkPath:
    measurement = partial(measure.call, tls=tls, at_once=at_once)
    return BenchmarkPath(key, title, "calls/s", measurement, CALLERS, targets, processes=2)


PATHS = (
    BenchmarkPath(
        "webhook",
        "Webhook in",
        "requests/s",
        measure.webhook,
        (
            BARE_APPLICATION,
            LOW_LEVEL_SERVER,
            _standalone("serve"),
            _nonebot2_driver("serve"),
            FASTAPI_SERVER,
            FASTAPI_QUIET_SERVER,
            QUART_SERVER,
        ),
        (
            Target(STANDALONE, BARE, 0.97),
            Target(STANDALONE, BARE_SERVER, 0.82),
            Target(STANDALONE, FASTAPI_QUIET, 2.7),
            Target(NONEBOT2, BARE, 0.92),
            Target(NONEBOT2, BARE_SERVER, 0.78),
            Target(NONEBOT2, FASTAPI_QUIET, 2.5),
        ),
    ),
    BenchmarkPath(
        "reverse",
        "Reverse WebSocket in",
        "messages/s",
        measure.reverse,
        (
            BARE_APPLICATION,
            BARE_TEXT_SERVER,
            _standalone("serve"),
            _nonebot2_driver("serve"),
            FASTAPI_SERVER,
            QUART_SERVER,
        ),
        (
            Target(STANDALONE, BARE, 0.85),
            Target(STANDALONE, FASTAPI, 3.5),
            Target(NONEBOT2, BARE_TEXT, 0.85),
            Target(NONEBOT2, FASTAPI, 2),
        ),
    ),
    BenchmarkPath(
        "forward",
        "Forward WebSocket in",
        "messages/s",
        measure.forward,
        (
            _bare("forward"),
            _standalone("forward"),
            _nonebot2_driver("forward"),
            _stock_client("~aiohttp", "forward"),
            _stock_client("~websockets", "forward"),
        ),
        (Target(STANDALONE, BARE, 0.85),),
    ),
    _calls("call-tls", "API call out over TLS, one at a time", True, 1, *TLS_TARGETS),
    _calls("call-tls-32", "API call out over TLS, 32 at once", True, 32, *TLS_TARGETS),
    _calls(
        "call",
        "API call out over plain HTTP, one at a time",
        False,
        1,
        Target(NONEBOT2, BARE, 0.85),
        Target(NONEBOT2, "~aiohttp", 2.8),
        Target(NONEBOT2, "~httpx", 30),
    ),
    BenchmarkPath(
        "asgi",
        "Webhook in through driver.asgi on uvicorn",
        "requests/s",
        measure.webhook,
        (RAW_ASGI, _standalone("asgi")),
        (Target(STANDALONE, RAW_ASGI.name, 0.80),),
        processes=4,
    ),
    BenchmarkPath(
        "memory",
        "Memory of an idle reverse WebSocket",
        "KiB",
        measure.memory,
        (*SERVERS, QUART_SERVER),
        (Target(STANDALONE, BARE, 1.25), Target(STANDALONE, FASTAPI, 0.5)),
        more_is_better=False,
        steady=True,
    ),
    BenchmarkPath(
        "crowd",
        "Answer to 99 of 100 messages of thousands of reverse WebSockets",
        "ms",
        measure.crowd,
        SERVERS,
        (),
        more_is_better=False,
    ),
    BenchmarkPath(
        "beside",
        "The same of a few beside one that sends without a pause",
        "ms",
        measure.beside,
        SERVERS,
        (),
        more_is_better=False,
    ),
    BenchmarkPath(
        "work",
        "Webhook of OneBot 11 in, an API call over HTTP out",
        "events/CPU s",
        working.webhook,
        WORKING,
        (),
    ),
    BenchmarkPath(
        "work-reverse",
        "Message of OneBot 11 in, an API call over the same reverse WebSocket out",
        "events/CPU s",
        working.reverse,
        WORKING,
        (),
    ),
    BenchmarkPath(
        "import",
        "Import and construction",
        "ms",
        measure.construction,
        (
            Subject("import aiohttp.web", "imports", ("aiohttp",), ("aiohttp",)),
            Subject(STANDALONE, "imports", ("standalone",), ("nonebot_aiohttp.standalone",)),
            Subject(
                IMPORT_NONEBOT,
                "imports",
                ("aiohttp-nonebot",),
                ("aiohttp", "nonebot"),
            ),
            Subject(NONEBOT2, "imports", ("nonebot2",), ("nonebot", NONEBOT2)),
        ),
        (
            Target(STANDALONE, "import aiohttp.web", 1.7),
            Target(NONEBOT2, IMPORT_NONEBOT, 1.15),
        ),
        more_is_better=False,
    ),
)
