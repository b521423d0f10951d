"""The figures of a run: medians, ratios, targets, and the machine."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import platform
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .catalog import BenchmarkPath, Target
from .process import available_cores
from .settings import Settings

PACKAGES = (
    "aiohttp",
    "fastapi",
    "httptools",
    "httpx",
    "loguru",
    "multidict",
    "nonebot2",
    "picows",
    "pydantic",
    "quart",
    "uvicorn",
    "uvloop",
    "websockets",
    "yarl",
)
"""Distributions whose versions influence the figures."""


@dataclass
class Figures:
    """The figures of one path: for each subject's name a sample per process."""

    path: BenchmarkPath
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Add one subject's next sample."""
        self.samples.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        """Return the median of a subject's samples."""
        return statistics.median(self.samples[name])

    def ratio(self, name: str, against: str) -> float | None:
        """Return the median over the rounds of one subject's quotient by another's.

        Quotients within a round cancel changes of the machine's speed from minute to minute. None
        if one of the two was not measured.
        """
        ours, theirs = self.samples.get(name), self.samples.get(against)
        if not ours or not theirs:
            return None
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    def meets(self, target: Target) -> bool | None:
        """Return whether a target is met; None if one of the two subjects was not measured."""
        ratio = self.ratio(target.subject, target.against)
        if ratio is None:
            return None
        return ratio >= target.bound if self.path.more_is_better else ratio <= target.bound

    def as_dict(self) -> dict[str, Any]:
        """Return the path's part of the JSON file."""
        path = self.path
        return {
            "key": path.key,
            "title": path.title,
            "unit": path.unit,
            "more_is_better": path.more_is_better,
            "reference": path.reference,
            "processes": path.processes,
            "subjects": [
                {
                    "name": name,
                    "median": self.median(name),
                    "ratio": self.ratio(name, path.reference),
                    "samples": samples,
                }
                for name, samples in self.samples.items()
            ],
            "targets": [
                {
                    **asdict(target),
                    "ratio": self.ratio(target.subject, target.against),
                    "met": self.meets(target),
                }
                for target in path.targets
            ],
        }


def as_json(
    figures: Iterable[Figures],
    settings: Settings,
    machine: Mapping[str, Any],
    absent: Sequence[str],
) -> str:
    """Return a run as JSON; ``absent`` has a line for each subject that could not run."""
    run = {
        **machine,
        "settings": {k: v for k, v in asdict(settings).items() if isinstance(v, int | float)},
        "load": {"http": "wrk" if settings.wrk else "python", "websocket": "picows"},
        "absent": list(absent),
        "paths": [figure.as_dict() for figure in figures],
    }
    return json.dumps(run, indent=2) + "\n"


def describe_machine(others: float, awake: bool) -> dict[str, Any]:
    """Return the date, the machine, and the versions of what is installed.

    Args:
        others: The fraction of the processor that processes outside the run have used.
        awake: Whether idle cores were kept awake.
    """
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_model(),
            "cores": len(available_cores()) or None,
            "system": platform.system(),
            "release": platform.release(),
            "used_by_others": round(others, 3),
            "kept_awake": awake,
        },
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


def cpu_model() -> str:
    """Return the name of the processor, or the best that the system knows."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
