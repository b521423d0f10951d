"""``/metrics``: the figures of all drivers of the process, in Prometheus' formats.

They are read from the status when somebody asks, so that counting costs nothing until then.
prometheus-client (extra ``metrics``) is imported at the first of these questions.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet, WeakValueDictionary

from .measures import GROUPS, MEASURES, Detail, Measure, Row, encodable
from .source import Source
from .status import Status

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector, CollectorRegistry

PREFIX = "nonebot_aiohttp_"

_MISSING = 'metrics need prometheus-client: pip install "nonebot-aiohttp[metrics]"'
_LIBRARY = "prometheus_client.exposition"
_SLICE = 250
"""How many bots are written at a time; each takes two microseconds."""

_ATTEMPTS = 10
"""How often a status is read in another thread, until it does not change meanwhile."""

_CONTENT_TYPE = re.compile(r"[\w/;=., +-]+", re.ASCII)
_ESCAPING = re.compile(r";\s*escaping\s*=[^;,]*")
_END = b"# EOF\n"

_numbers = count(1)
_drivers: WeakValueDictionary[int, Source] = WeakValueDictionary()
_registries: WeakSet[CollectorRegistry] = WeakSet()

_Encode = Callable[["_Families"], bytes]
Statuses = list[tuple[str, Status]]
"""The statuses of the drivers, with the label of each."""


def add(source: Source) -> str:
    """Let the metrics show a driver as long as it exists.

    Returns:
        Its label ``driver``: ``"1"`` for the first driver that was made in this process.
    """
    number = next(_numbers)
    _drivers[number] = source
    return str(number)


async def exposition(accept: str, bots: bool) -> tuple[bytes, str]:
    """Write the metrics; the event loop goes on in between, if they are many.

    Args:
        accept: The header ``Accept`` of the request.
        bots: Whether single bots and forward connections are shown, too.

    Returns:
        The body and its ``Content-Type``.

    Raises:
        ImportError: prometheus-client is not installed; the text says how to install it.
    """
    if _LIBRARY not in sys.modules:
        # The import takes 40 ms.
        await asyncio.to_thread(_import_library)
    encode, content_type = _encoder(accept)
    statuses = [(label, await source.current(bots=bots)) for label, source in _labelled()]
    parts = [encode(_Families(_totals(statuses)))]
    for part in _details(statuses, encode) if bots else ():
        await asyncio.sleep(0)
        parts.append(part)
    is_openmetrics = parts[0].endswith(_END)
    text = b"".join(part.removesuffix(_END) for part in parts)
    return text + _END if is_openmetrics else text, content_type


def register_metrics(registry: CollectorRegistry | None = None) -> None:
    """Publish the metrics of all drivers in a registry of prometheus-client, too.

    Use it where another exporter publishes this registry. It needs no token for that, so single
    bots are never shown there. Drivers that are made later appear by themselves.

    Args:
        registry: By default the global one, ``prometheus_client.REGISTRY``.

    Raises:
        ImportError: prometheus-client is not installed.
        ValueError: The metrics are in this registry already.
    """
    registry = _registry(registry)
    registry.register(_collector())
    _registries.add(registry)


def unregister_metrics(registry: CollectorRegistry | None = None) -> None:
    """Take the metrics out of a registry; do nothing if they are not in it.

    Args:
        registry: By default the global one.

    Raises:
        ImportError: prometheus-client is not installed.
    """
    registry = _registry(registry)
    if registry in _registries:
        registry.unregister(_collector())
        _registries.remove(registry)


def _registry(registry: CollectorRegistry | None) -> CollectorRegistry:
    _import_library()
    from prometheus_client import REGISTRY

    return REGISTRY if registry is None else registry


def _import_library() -> None:
    try:
        import prometheus_client.exposition  # noqa: F401
    except ImportError as error:
        raise ImportError(_MISSING) from error


class _Families:
    """The registry that an encoder asks: it gives some families."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class _AllDrivers:
    """The collector for registries of others, which are asked in any thread.

    What another thread reads may change meanwhile. So it is read again where that is noticed, and
    counters do not go back where it is not: Prometheus would take that for a restart.
    """

    def __init__(self) -> None:
        self._counted: dict[tuple[Any, ...], float] = {}

    def describe(self) -> Iterable[Metric]:
        """Give the names, without asking the drivers."""
        return _totals([])

    def collect(self) -> Iterable[Metric]:
        """Give the totals of all drivers."""
        families = _totals(_read_again(_statuses))
        counted = {}
        for family in families:
            if family.type == "counter":
                for place, sample in enumerate(family.samples):
                    series = (sample.name, *sample.labels.values())
                    counted[series] = max(sample.value, self._counted.get(series, 0))
                    family.samples[place] = sample._replace(value=counted[series])
        self._counted = counted
        return families


def _read_again(read: Callable[[], Statuses]) -> Statuses:
    """Read until nothing changes meanwhile, which is a RuntimeError of a dictionary or a set."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(RuntimeError):
            return read()
    return read()


_ALL_DRIVERS = _AllDrivers()


def _collector() -> Collector:
    # In some versions a collector is a class to inherit, which is not there before the import.
    return cast("Collector", _ALL_DRIVERS)


def _encoder(accept: str) -> tuple[_Encode, str]:
    """Choose the format that the client prefers."""
    from prometheus_client.exposition import choose_encoder

    # It would change names, of which none has to be escaped.
    accept = _ESCAPING.sub("", accept)
    try:
        encode, content_type = choose_encoder(accept)
    except Exception:  # Of a version such as "x", which the client may write.
        encode, content_type = choose_encoder("")
    if not _CONTENT_TYPE.fullmatch(content_type):  # It repeats what the client has written.
        encode, content_type = choose_encoder("")
    return cast("_Encode", encode), content_type


def _labelled() -> list[tuple[str, Source]]:
    return [(str(number), source) for number, source in sorted(_drivers.items())]


def _statuses() -> Statuses:
    return [(label, source.status(bots=False)) for label, source in _labelled()]


def _totals(statuses: Statuses) -> list[Metric]:
    """Make the families whose length does not depend on bots."""
    families = []
    for measure in MEASURES:
        rows = chain.from_iterable(_summed(measure, *each) for each in statuses)
        families.append(_family(measure.kind, measure, measure.labels, rows))
    return families


def _summed(measure: Measure, driver: str, status: Status) -> Iterable[Row]:
    """Add up the samples whose labels are the same as soon as they can be logged."""
    sums: dict[tuple[str, ...], float] = {}
    for labels, value in measure.read(status):
        labels = encodable((driver, *labels))
        sums[labels] = sums.get(labels, 0) + value
    return sums.items()


def _details(statuses: Statuses, encode: _Encode) -> Iterator[bytes]:
    """Write the families of single bots and forward connections in slices.

    The library needs up to 14 microseconds for a sample. Its labels are escaped here once for all
    figures of a bot, and that takes a tenth of the time.
    """
    for group in GROUPS:
        series: list[tuple[str, Any]] = []
        for driver, status in statuses:
            items = iter(group.items(status))
            yield b""
            while some := list(islice(items, _SLICE)):
                names = ("driver", *group.labels)
                series += [(_labels(names, (driver, *values)), item) for values, item in some]
                yield b""
        for detail in group.details:
            yield encode(_Families([_family("gauge", detail, group.labels)]))
            for start in range(0, len(series), _SLICE):
                yield _lines(detail, series[start : start + _SLICE])


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Write labels as the library does in both formats."""
    pairs = sorted(zip(names, values, strict=True))
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in pairs])


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _lines(detail: Detail, series: list[tuple[str, Any]]) -> bytes:
    values = ((labels, detail.read(item)) for labels, item in series)
    head = PREFIX + detail.name
    lines = [f"{head}{{{labels}}} {float(v)!r}\n" for labels, v in values if v is not None]
    return "".join(lines).encode("utf-8")


def _family(
    kind: str, measure: Measure | Detail, labels: tuple[str, ...], rows: Iterable[Row] = ()
) -> Metric:
    """Make a family of prometheus-client, which escapes the labels."""
    from prometheus_client import core

    kinds: dict[str, Any] = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "info": core.InfoMetricFamily,
    }
    name = f"{PREFIX}{measure.name}".removesuffix("_info").removesuffix("_total")
    family = kinds[kind](name, measure.description, labels=("driver", *labels))
    family.unit = "seconds" if name.endswith("_seconds") else ""
    for values, number in rows:
        # The values of an info are its labels.
        family.add_metric(values, {} if kind == "info" else number)
    return cast("Metric", family)
