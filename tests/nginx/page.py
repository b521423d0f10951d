"""The files of the page on several processes, with ports that are free here."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from tests.support.documents import ROOT, Document

PAGE = ROOT / "docs/several-processes.md"
TRANSLATION = ROOT / "docs/zh/several-processes.md"

FRONT, PROCESSES = 8080, (8081, 8082, 8083)
"""The ports on the page: of nginx, and of the processes."""

_POINTS = 160


def files(page: Path = PAGE) -> dict[str, str]:
    """Return the files of the page by their names."""
    return Document(page).files


def write_files(folder: Path, front: int, processes: Sequence[int], **changes: str) -> None:
    """Write the files, with other ports, and with one text in them for another.

    Args:
        folder: Where to.
        front: The port for nginx.
        processes: The ports for the processes.
        **changes: ``old``, which ``bots.conf`` shall not contain, and ``new`` in its place.
    """
    for name, text in files().items():
        if changes and name == "bots.conf":
            assert changes["old"] in text
            text = text.replace(changes["old"], changes["new"])
        (folder / name).write_text(with_ports(text, (front, *processes)), "utf-8")


def with_ports(text: str, ports: Sequence[int]) -> str:
    """Replace the ports of nginx and the processes in a text of the page."""
    here = dict(zip((FRONT, *PROCESSES), ports, strict=True))
    return re.sub(r"\b808[0-3]\b", lambda found: str(here[int(found[0])]), text)


def process_of(key: str, servers: Iterable[str]) -> str:
    """Choose a server as nginx does by ``hash ... consistent``."""
    points = _points(tuple(servers))
    at = bisect_left(points, (zlib.crc32(key.encode()), ""))
    return points[at % len(points)][1]


@cache
def _points(servers: tuple[str, ...]) -> list[tuple[int, str]]:
    return sorted((point, server) for server in servers for point in _points_of(server))


def _points_of(server: str) -> Iterable[int]:
    host, _, port = server.rpartition(":")
    base, point = zlib.crc32(b"%s\0%s" % (host.encode(), port.encode())), 0
    for _ in range(_POINTS):
        point = zlib.crc32(point.to_bytes(4, "little"), base)
        yield point
