"""The settings of a run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Sizes and durations of a run.

    Attributes:
        rounds: How often each subject of a path is measured.
        seconds: Seconds of one measurement.
        warmup: Seconds of load before each measurement.
        messages: WebSocket messages in one burst.
        connections: Keep-alive connections that post webhooks.
        idle: Idle WebSockets whose memory is measured.
        crowd: WebSockets that send at the same time.
        imports: New processes in one measurement of the import time.
        certificate: PEM file with the key and the certificate of the simulated platform, and the
            certificate of the authority that signed it; None if no measured path needs TLS.
        authority: PEM file with the authority's certificate alone; None as for ``certificate``.
        wrk: Path of ``wrk``; None for the load generator that is written in Python.
    """

    rounds: int = 3
    seconds: float = 1.0
    warmup: float = 0.5
    messages: int = 50_000
    connections: int = 64
    idle: int = 5_000
    crowd: int = 10_000
    imports: int = 5
    certificate: Path | None = None
    authority: Path | None = None
    wrk: str | None = field(default_factory=lambda: shutil.which("wrk"))
