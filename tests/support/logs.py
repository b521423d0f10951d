"""Collects log records for assertions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message


@dataclass(frozen=True)
class LogRecord:
    """One log call; `output` is the text that a sink writes, with the traceback."""

    level: str
    message: str
    exception: BaseException | None
    output: str
    extra: dict[str, Any] = field(default_factory=dict)


class Logs(list[LogRecord]):
    """The records in the order in which they were logged."""

    def messages(self, level: str | None = None) -> list[str]:
        """Return the messages, or only those of one level."""
        return [record.message for record in self if level in (None, record.level)]

    def matching(self, text: str, level: str | None = None) -> list[LogRecord]:
        """Return the records whose message contains the text."""
        return [r for r in self if text in r.message and level in (None, r.level)]

    @property
    def output(self) -> str:
        """All text that a sink has written, which must not contain a secret."""
        return "".join(record.output for record in self)

    def add(self, message: Message) -> None:
        """Add a record; this is the sink."""
        record = message.record
        error = record["exception"].value if record["exception"] else None
        level, extra = record["level"].name, dict(record["extra"])
        self.append(LogRecord(level, record["message"], error, str(message), extra))


@contextmanager
def collected_logs() -> Iterator[Logs]:
    """Collect the records of loguru, of every level, while the context lasts."""
    logs = Logs()
    sink = logger.add(logs.add, level=0, format="{message}", catch=False, diagnose=False)
    try:
        yield logs
    finally:
        logger.remove(sink)
