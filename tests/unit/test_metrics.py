"""Tests of what `/metrics` says, with both parsers of prometheus-client."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from nonebot_aiohttp.operations import metrics, register_metrics, unregister_metrics
from nonebot_aiohttp.operations.measures import BOTS, GROUPS, LOOPS, MEASURES
from nonebot_aiohttp.operations.source import Found
from nonebot_aiohttp.operations.status import (
    BotStatus,
    CallStatus,
    GoneStatus,
    LoopStatus,
    MessageStatus,
    Second,
    Status,
    WebhookStatus,
    WorkStatus,
)

DETAILS = [*BOTS.details, *LOOPS.details]
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4"
# What Prometheus 2.42 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
FORMATS = pytest.mark.parametrize("accept", [PLAIN, OPENMETRICS], ids=["plain", "openmetrics"])

BOT = BotStatus("my", "1", "reverse WebSocket", 1_700_000_000.5, 3, 1_700_000_060)
LOOP = LoopStatus("The polling of bot 2 of my", "connected", 0, None, None, "")
DOWN = LoopStatus("The polling of bot 3 of my", "waiting", 4, 1_700_000_100.0, 1_700_000_200.0, "x")
STATUS = Status(
    state="running",
    state_since=1_700_000_000.25,
    versions={"nonebot_aiohttp": "0.2.0", "aiohttp": "3.13.2", "python": "3.13.0"},
    uptime=60.0,
    loop_lag=0.012,
    webhooks=(WebhookStatus("my", {"2xx": 12, "5xx": 1}),),
    webhooks_in_work=2,
    refused={"no such adapter": 4},
    messages=(MessageStatus("my", 7, 8), MessageStatus("unknown", 1, 0)),
    work=(WorkStatus("handler", 1, 2, 3), WorkStatus("event", 0, None, 0)),
    connected={"my": 1},
    bots=(BOT,),
    gone=(GoneStatus("other", "9", "polling", 1_700_000_000.0, "gone"),),
    loops=(LOOP, DOWN),
    calls=(CallStatus("api.example.org", 5, 4, 3, 2),),
    descriptors=33,
    descriptor_limit=1024,
    certificate_expires=1_800_000_000.0,
    certificate_renewal_due=1_790_000_000.0,
)


class FakeSource:
    """Tells a status, and keeps how it was asked."""

    def __init__(self, status: Status = STATUS) -> None:
        self.told = status
        self.asked: list[bool] = []
        self.takes_events = True

    def status(self, *, bots: bool = True) -> Status:
        self.asked.append(bots)
        return self.told if bots else replace(self.told, bots=())

    async def current(self, *, bots: bool = False) -> Status:
        return self.status(bots=bots)

    async def find_bots(self, query: str = "", start: int = 0, count: int = 200) -> Found:
        raise NotImplementedError

    def history(self) -> Sequence[Second]:
        raise NotImplementedError

    def missing(self, ids: Sequence[str]) -> list[str]:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def no_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a process does that has made no driver yet."""
    monkeypatch.setattr(metrics, "_drivers", WeakValueDictionary())
    monkeypatch.setattr(metrics, "_numbers", count(1))
    monkeypatch.setattr(metrics, "_ALL_DRIVERS", metrics._AllDrivers())


@pytest.fixture
def source() -> FakeSource:
    """Give the source of a driver that the metrics show."""
    source = FakeSource()
    metrics.add(source)
    return source


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Give a registry of somebody else."""
    registry = CollectorRegistry(auto_describe=True)
    yield registry
    unregister_metrics(registry)


def parse(text: bytes, content_type: str) -> dict[str, Any]:
    """Read the families of an exposition, by their names."""
    is_plain = content_type.startswith("text/plain")
    strict: Any = openmetrics.text_string_to_metric_families
    read = text_string_to_metric_families if is_plain else strict
    families = list(read(text.decode("utf-8")))
    found = {family.name: family for family in families}
    assert len(found) == len(families)
    return found


async def scrape(accept: str = PLAIN, bots: bool = False) -> dict[str, Any]:
    return parse(*await metrics.exposition(accept, bots))


def samples(families: dict[str, Any]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Collect all samples by name and labels; none comes twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in families.values()
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def value(families: dict[str, Any], name: str, **labels: str) -> float | None:
    """Return the value of a sample of the only driver, or None."""
    labels = {"driver": "1", **labels}
    return samples(families).get((f"nonebot_aiohttp_{name}", frozenset(labels.items())))


EXPECTED: list[tuple[str, dict[str, str], float | None]] = [
    ("info", {"version": "0.2.0", "aiohttp": "3.13.2", "python": "3.13.0", "nonebot2": ""}, 1),
    ("state", {"state": "running"}, 1),
    ("state", {"state": "not started"}, 0),
    ("state_timestamp_seconds", {}, 1_700_000_000.25),
    ("event_loop_lag_seconds", {}, 0.012),
    ("webhooks_total", {"adapter": "my", "status": "2xx"}, 12),
    ("webhooks_total", {"adapter": "my", "status": "5xx"}, 1),
    ("webhooks_in_work", {}, 2),
    ("refused_total", {"reason": "no such adapter"}, 4),
    ("messages_received_total", {"adapter": "my"}, 7),
    ("messages_received_total", {"adapter": "unknown"}, 1),
    ("messages_sent_total", {"adapter": "my"}, 8),
    ("tasks_in_flight", {"kind": "handler"}, 1),
    ("tasks_failed_total", {"kind": "handler"}, 2),
    ("tasks_failed_total", {"kind": "event"}, None),
    ("tasks_cut_off_total", {"kind": "handler"}, 3),
    ("bots_connected", {"adapter": "my"}, 1),
    ("bots_connected", {"adapter": "other"}, 0),
    # No alert on "no bots" can be about what is no adapter.
    ("bots_connected", {"adapter": "unknown"}, None),
    ("bots_gone", {"adapter": "unknown"}, None),
    ("bots_gone", {"adapter": "my"}, 0),
    ("bots_gone", {"adapter": "other"}, 1),
    ("forward_loops", {"state": "connected"}, 1),
    ("forward_loops", {"state": "waiting"}, 1),
    ("forward_loops", {"state": "ended"}, 0),
    ("oldest_outage_timestamp_seconds", {}, 1_700_000_100.0),
    ("calls_total", {"host": "api.example.org", "outcome": "ok"}, 5),
    ("calls_total", {"host": "api.example.org", "outcome": "4xx"}, 4),
    ("calls_total", {"host": "api.example.org", "outcome": "5xx"}, 3),
    ("calls_total", {"host": "api.example.org", "outcome": "error"}, 2),
    ("descriptors", {}, 33),
    ("descriptors_limit", {}, 1024),
    ("certificate_expiry_timestamp_seconds", {}, 1_800_000_000.0),
    ("certificate_renewal_due_timestamp_seconds", {}, 1_790_000_000.0),
]

BOT_LABELS = {"adapter": "my", "bot": "1", "way": "reverse WebSocket"}
EXPECTED_DETAILS: list[tuple[str, dict[str, str], float | None]] = [
    ("bot_connected_timestamp_seconds", BOT_LABELS, 1_700_000_000.5),
    ("bot_messages", BOT_LABELS, 3),
    ("bot_last_message_timestamp_seconds", BOT_LABELS, 1_700_000_060),
    ("forward_loop_connected", {"loop": LOOP.label}, 1),
    ("forward_loop_connected", {"loop": DOWN.label}, 0),
    ("forward_loop_failed_attempts", {"loop": DOWN.label}, 4),
    ("forward_loop_outage_timestamp_seconds", {"loop": LOOP.label}, None),
    ("forward_loop_outage_timestamp_seconds", {"loop": DOWN.label}, 1_700_000_100.0),
    ("forward_loop_next_attempt_timestamp_seconds", {"loop": DOWN.label}, 1_700_000_200.0),
]


@FORMATS
async def test_each_figure_of_the_status_is_a_sample(source: FakeSource, accept: str) -> None:
    families = await scrape(accept)
    found = [value(families, name, **labels) for name, labels, _ in EXPECTED]
    assert found == [number for _, _, number in EXPECTED]
    assert {name for name, _, _ in EXPECTED} == {measure.name for measure in MEASURES}


@FORMATS
async def test_single_bots_are_shown_on_request(source: FakeSource, accept: str) -> None:
    families = await scrape(accept, bots=True)
    expected = EXPECTED + EXPECTED_DETAILS
    found = [value(families, name, **labels) for name, labels, _ in expected]
    assert found == [number for _, _, number in expected]
    assert {name for name, _, _ in EXPECTED_DETAILS} == {measure.name for measure in DETAILS}


@pytest.mark.promise("operations: metrics show single bots only with ?bots=1")
async def test_without_request_nothing_of_single_bots_is_read_or_shown(source: FakeSource) -> None:
    text, _ = await metrics.exposition(PLAIN, bots=False)
    assert source.asked == [False]
    assert b"bot=" not in text
    assert b"loop=" not in text


@FORMATS
async def test_types_and_descriptions_are_those_of_the_measures(
    source: FakeSource, accept: str
) -> None:
    families = await scrape(accept, bots=True)
    expected = [(each.kind, each.labels, each) for each in MEASURES] + [
        ("gauge", group.labels, each) for group in GROUPS for each in group.details
    ]
    for kind, labels, measure in expected:
        name = metrics.PREFIX + measure.name
        named = name.removesuffix("_total")
        if accept == OPENMETRICS:
            named = named.removesuffix("_info")
        family = families.pop(named)
        assert family.type == ("gauge" if kind == "info" and accept == PLAIN else kind)
        assert family.documentation == measure.description
        assert {each.name for each in family.samples} == {name}
        for sample in family.samples:
            assert {*sample.labels} == {"driver", *labels}
    assert not families


def test_names_keep_to_the_conventions() -> None:
    for measure in MEASURES:
        assert (measure.kind == "counter") == measure.name.endswith("_total")
    names = [each.name for each in MEASURES] + [each.name for each in DETAILS]
    for name in names:
        assert "timestamp" not in name or name.endswith("_timestamp_seconds")
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        (PLAIN, "text/plain; version=0.0.4"),
        (PROMETHEUS, "application/openmetrics-text; version="),
        ("application/openmetrics-text; version=x.y", ""),
        ("application/openmetrics-text; version=１.0.0", ""),
        ('application/openmetrics-text; version=1.0.0"\x00', ""),
        ("application/openmetrics-text; escaping; version", ""),
    ],
)
async def test_the_format_is_what_the_client_asks_for(
    source: FakeSource, accept: str, content_type: str
) -> None:
    text, found = await metrics.exposition(accept, bots=True)
    assert found.startswith(content_type)
    assert found.isascii()
    assert found.isprintable()
    assert text.endswith(b"# EOF\n") == found.startswith("application/openmetrics-text")
    assert text.count(b"# EOF\n") <= 1
    assert value(parse(text, found), "bot_messages", **BOT_LABELS) == 3


HOSTILE = [
    'a"b',
    "a\\b",
    "a\\nb",
    "a\nb",
    'x"} 1\nnonebot_aiohttp_up{a="',
    "# HELP x\n# EOF\n",
    "<script>",
    "\r\n\t\x00\x85\u2028",
    "机器人 🤖",
    "",
    "{}",
    "\\",
    '"',
]


@FORMATS
async def test_names_that_peers_make_up_stay_values_of_labels(accept: str) -> None:
    bots = tuple(replace(BOT, id=name, messages=n) for n, name in enumerate(HOSTILE))
    loops = tuple(replace(LOOP, label=name, attempts=n) for n, name in enumerate(HOSTILE))
    refused = {name: n for n, name in enumerate(HOSTILE)}
    source = FakeSource(replace(STATUS, bots=bots, loops=loops, refused=refused))
    metrics.add(source)
    families = await scrape(accept, bots=True)
    assert len(families) == len(MEASURES) + len(DETAILS)
    for number, name in enumerate(HOSTILE):
        assert value(families, "bot_messages", **{**BOT_LABELS, "bot": name}) == number
        assert value(families, "forward_loop_failed_attempts", loop=name) == number
        assert value(families, "refused_total", reason=name) == number


@FORMATS
async def test_single_bots_are_written_as_prometheus_client_does_it(accept: str) -> None:
    bots = tuple(replace(BOT, id=name, messages=n) for n, name in enumerate(HOSTILE))
    source = FakeSource(replace(STATUS, bots=bots))
    metrics.add(source)
    family = GaugeMetricFamily(
        "nonebot_aiohttp_bot_messages",
        "Messages, or answered polls, that have come in since the bot connected.",
        labels=["driver", "adapter", "bot", "way"],
    )
    for number, name in enumerate(HOSTILE):
        family.add_metric(["1", "my", name, BOT.way], number)
    registry: Any = SimpleNamespace(collect=lambda: [family])
    encode, _ = choose_encoder(accept)
    text, _ = await metrics.exposition(accept, bots=True)
    assert encode(registry).removesuffix(b"# EOF\n") in text


@FORMATS
async def test_halves_of_surrogate_pairs_are_replaced(accept: str) -> None:
    halves = ("\ud800", "\udfff")
    bots = tuple(replace(BOT, id=half) for half in halves)
    source = FakeSource(replace(STATUS, bots=bots, refused=dict(zip(halves, (1, 2), strict=True))))
    metrics.add(source)
    families = await scrape(accept, bots=True)
    assert value(families, "refused_total", reason="?") == 3
    assert value(families, "bot_messages", **{**BOT_LABELS, "bot": "?"}) == 3
    assert value(families, "bot_messages", **{**BOT_LABELS, "bot": "? (2)"}) == 3


@FORMATS
async def test_no_series_comes_twice(accept: str) -> None:
    names = ["***", "***", "*** (2)", "***", "*** (2)"]
    bots = tuple(replace(BOT, id=name) for name in names)
    loops = tuple(replace(LOOP, label=name) for name in names)
    source = FakeSource(replace(STATUS, bots=bots, loops=loops))
    metrics.add(source)
    families = await scrape(accept, bots=True)
    for name, label in (("bot_messages", "bot"), ("forward_loop_connected", "loop")):
        shown = {sample.labels[label] for sample in families[metrics.PREFIX + name].samples}
        assert len(shown) == len(names)
    samples(families)


@FORMATS
async def test_what_is_unknown_has_no_sample(accept: str) -> None:
    unknown = replace(
        STATUS,
        loop_lag=None,
        loops=(LOOP,),
        descriptors=None,
        descriptor_limit=None,
        certificate_expires=None,
        certificate_renewal_due=None,
        bots=(replace(BOT, messages=None, last_message=None),),
    )
    source = FakeSource(unknown)
    metrics.add(source)
    families = await scrape(accept, bots=True)
    for name in (
        "event_loop_lag_seconds",
        "oldest_outage_timestamp_seconds",
        "descriptors",
        "descriptors_limit",
        "certificate_expiry_timestamp_seconds",
        "certificate_renewal_due_timestamp_seconds",
        "bot_messages",
        "bot_last_message_timestamp_seconds",
    ):
        assert families[metrics.PREFIX + name].samples == []


async def test_drivers_are_numbered_as_they_were_made() -> None:
    sources = [FakeSource(replace(STATUS, webhooks_in_work=n)) for n in range(3)]
    assert [metrics.add(source) for source in sources] == ["1", "2", "3"]
    del sources[1]
    gc.collect()
    family = (await scrape())["nonebot_aiohttp_webhooks_in_work"]
    assert [(each.labels["driver"], each.value) for each in family.samples] == [("1", 0), ("3", 2)]
    last = FakeSource()
    assert metrics.add(last) == "4"


@FORMATS
async def test_without_a_driver_there_are_families_without_samples(accept: str) -> None:
    families = await scrape(accept, bots=True)
    assert len(families) == len(MEASURES) + len(DETAILS)
    assert samples(families) == {}


@FORMATS
async def test_many_bots_are_written_in_slices(accept: str) -> None:
    bots = tuple(replace(BOT, id=str(number), messages=number) for number in range(1001))
    sources = [FakeSource(replace(STATUS, bots=bots)) for _ in range(2)]
    for source in sources:
        metrics.add(source)
    steps = 0

    async def count_steps() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_steps())
    text, content_type = await metrics.exposition(accept, bots=True)
    counting.cancel()
    assert steps >= 2 * 3 * 2
    families = parse(text, content_type)
    assert len(families["nonebot_aiohttp_bot_messages"].samples) == 2 * 1001
    assert text.count(b"# TYPE nonebot_aiohttp_bot_messages ") == 1
    assert len(samples(families)) > 3 * 2 * 1001


def test_another_registry_has_the_totals(source: FakeSource, registry: CollectorRegistry) -> None:
    register_metrics(registry)
    assert source.asked == []
    families = parse(generate_latest(registry), PLAIN)
    assert source.asked == [False]
    assert value(families, "bots_connected", adapter="my") == 1
    assert not any("nonebot_aiohttp_bot_" in name for name in families)
    later = FakeSource()
    metrics.add(later)
    assert b'driver="2"' in generate_latest(registry)


class ChangingSource(FakeSource):
    """Changes while it is read, a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def status(self, *, bots: bool = True) -> Status:
        if len(self.asked) < self.times:
            self.asked.append(bots)
            raise RuntimeError("dictionary changed size during iteration")
        return super().status(bots=bots)


def test_another_thread_reads_again_what_has_changed_meanwhile(
    registry: CollectorRegistry,
) -> None:
    source = ChangingSource(3)
    metrics.add(source)
    register_metrics(registry)
    text = generate_latest(registry)
    assert len(source.asked) == 4
    assert value(parse(text, PLAIN), "bots_connected", adapter="my") == 1


def test_what_another_thread_reads_never_goes_back(
    source: FakeSource, registry: CollectorRegistry
) -> None:
    register_metrics(registry)
    numbers = []
    for received, connected in ((7, 2), (5, 1), (8, 3)):
        source.told = replace(
            STATUS, messages=(MessageStatus("my", received, 0),), connected={"my": connected}
        )
        families = parse(generate_latest(registry), PLAIN)
        names = ("messages_received_total", "bots_connected")
        numbers.append([value(families, name, adapter="my") for name in names])
    assert numbers == [[7, 2], [7, 1], [8, 3]]


def test_another_thread_does_not_read_for_ever(registry: CollectorRegistry) -> None:
    source = ChangingSource(1000)
    metrics.add(source)
    register_metrics(registry)
    with pytest.raises(RuntimeError, match="changed size"):
        generate_latest(registry)
    assert len(source.asked) == 10


def test_the_metrics_come_into_a_registry_once(
    source: FakeSource, registry: CollectorRegistry
) -> None:
    register_metrics(registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        register_metrics(registry)
    unregister_metrics(registry)
    unregister_metrics(registry)
    assert generate_latest(registry) == b""
    register_metrics(registry)


@pytest.mark.promise("operations: metrics come into prometheus-client's global registry on request")
async def test_the_global_registry_has_the_metrics_only_on_request(source: FakeSource) -> None:
    await metrics.exposition(PLAIN, bots=True)
    assert b"nonebot_aiohttp" not in generate_latest(REGISTRY)
    register_metrics()
    try:
        text = generate_latest(REGISTRY)
    finally:
        unregister_metrics()
    assert b"nonebot_aiohttp_bots_connected" in text
    assert b"bot=" not in text
    assert b"nonebot_aiohttp" not in generate_latest(REGISTRY)


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take prometheus-client away."""
    for name in [*sys.modules]:
        if name.partition(".")[0] == "prometheus_client":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)


@pytest.mark.promise("operations: what needs the extra metrics names it")
async def test_the_extra_is_named_where_it_is_missing(source: FakeSource, no_library: None) -> None:
    with pytest.raises(ImportError, match=r'pip install "nonebot-aiohttp\[metrics\]"'):
        await metrics.exposition(PLAIN, bots=False)
    with pytest.raises(ImportError, match=r'pip install "nonebot-aiohttp\[metrics\]"'):
        register_metrics()


PROGRAM = """
import asyncio, sys
from nonebot_aiohttp.operations import metrics
from tests.unit.test_metrics import FakeSource
source = FakeSource()
metrics.add(source)
print(asyncio.run(metrics.exposition("", True))[0].decode())
"""


def test_the_library_is_imported_when_somebody_asks() -> None:
    code = (
        "import sys\n"
        "from nonebot_aiohttp.operations import metrics\n"
        "class Source: pass\n"
        "metrics.add(Source())\n"
        "assert 'prometheus_client' not in sys.modules\n"
        "import asyncio; asyncio.run(metrics.exposition('', False))\n"
        "assert 'prometheus_client' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_several_processes_of_prometheus_client_change_nothing(
    source: FakeSource, tmp_path: Path
) -> None:
    # With this variable prometheus-client keeps its own counters in files of this directory.
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, env=variables, capture_output=True, encoding="utf-8", check=True)
    text, _ = asyncio.run(metrics.exposition("", bots=True))
    assert ran.stdout == text.decode() + "\n"
    assert [*tmp_path.iterdir()] == []
