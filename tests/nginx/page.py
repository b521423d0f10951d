"""The files of the page on several processes, with ports that are free here."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.documents import ROOT

PAGE = ROOT / "docs/several-processes.md"
TRANSLATION = ROOT / "docs/zh/several-processes.md"

FRONT, PROCESSES = 8080, (8081, 8082, 8083)
"""The ports on the page: of nginx, and of the processes."""

_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_POINTS = 160


def files(page: Path = PAGE) -> dict[str, str]:
    """Return the files of the page by their names."""
    return dict(_FILE.findall(page.read_text("utf-8")))


def write_files(folder: Path, front: int, processes: Sequence[int], **changes: str) -> None:
    """Write the files, with other ports, and with one text in them for another.

    Args:
        folder: Where to.
        front: The port for nginx.
        processes: The ports for the processes.
        **changes: What ``bots.conf`` shall not contain, and what it shall instead: ``old=``, ``new=``.
    """
    ports = dict(zip((FRONT, *PROCESSES), (front, *processes), strict=True))
    for name, text in files().items():
        if changes and name == "bots.conf":
            assert changes["old"] in text
            text = text.replace(changes["old"], changes["new"])
        written = re.sub(r"\b808[0-3]\b", lambda found: str(ports[int(found[0])]), text)
        (folder / name).write_text(written, "utf-8")


def process_of(key: str, servers: Iterable[str]) -> str:
    """Choose a server as nginx does by ``hash ... consistent``."""
    points = sorted((point, server) for server in servers for point in _points_of(server))
    at = bisect_left(points, (zlib.crc32(key.encode()), ""))
    return points[at % len(points)][1]


def _points_of(server: str) -> Iterable[int]:
    host, _, port = server.rpartition(":")
    base, point = zlib.crc32(b"%s\0%s" % (host.encode(), port.encode())), 0
    for _ in range(_POINTS):
        point = zlib.crc32(point.to_bytes(4, "little"), base)
        yield point
