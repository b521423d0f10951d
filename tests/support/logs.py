"""Collects log records for assertions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message


@dataclass(frozen=True)
class LogRecord:
    """One log call; `output` is the text that a sink writes, with the traceback.

    `module` is what has logged it, and `extra` has its extra fields.
    """

    level: str
    message: str
    exception: BaseException | None
    output: str
    module: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class Logs(list[LogRecord]):
    """The records in the order in which they were logged."""

    def messages(self, level: str | None = None) -> list[str]:
        """Return the messages, or only those of one level."""
        return [record.message for record in self if level in (None, record.level)]

    def matching(self, text: str, level: str | None = None) -> list[LogRecord]:
        """Return the records whose message contains the text."""
        return [r for r in self if text in r.message and level in (None, r.level)]

    def about(self, text: str) -> list[dict[str, Any]]:
        """Return the extra fields of the records whose message contains the text."""
        return [record.extra for record in self.matching(text)]

    def check_fields(self) -> None:
        """Check that each record of the package about a bot or a peer says so in its fields."""
        for record in self:
            if record.module.startswith("nonebot_aiohttp."):
                line = record.message.partition("\n")[0]
                _check(_NAMES_BOT, "bot", line, record.extra)
                _check(_NAMES_PEER, "peer", line, record.extra)

    @property
    def output(self) -> str:
        """All text that a sink has written, which must not contain a secret."""
        return "".join(record.output for record in self)

    def add(self, message: Message) -> None:
        """Add a record; this is the sink."""
        record = message.record
        error = record["exception"].value if record["exception"] else None
        level, extra = record["level"].name, dict(record["extra"])
        module = record["name"] or ""
        self.append(LogRecord(level, record["message"], error, str(message), module, extra))


_NAMES_BOT = re.compile(r"(?:^B|^[^:]*\bb)ot \S+ of \S+")
_NAMES_PEER = re.compile(
    r"^Refused .* from (?!an unknown peer).+ with \d{3}: |^Dropped a connection"
)


def _check(pattern: re.Pattern[str], field: str, line: str, extra: dict[str, Any]) -> None:
    if pattern.search(line):
        assert field in extra, line
        assert extra[field] in line


@contextmanager
def collected_logs() -> Iterator[Logs]:
    """Collect the records of loguru, of every level, while the context lasts."""
    logs = Logs()
    sink = logger.add(logs.add, level=0, format="{message}", catch=False, diagnose=False)
    try:
        yield logs
    finally:
        logger.remove(sink)
