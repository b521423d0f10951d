"""What was logged, for assertions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message


@dataclass(frozen=True)
class LogRecord:
    """One log call; `output` is what a sink writes: the message and the traceback."""

    level: str
    message: str
    exception: BaseException | None
    output: str


class Logs(list[LogRecord]):
    """The records in the order in which they were logged."""

    def messages(self, level: str | None = None) -> list[str]:
        """Return the messages, of one level only if it is given."""
        return [record.message for record in self if level in (None, record.level)]

    def matching(self, text: str, level: str | None = None) -> list[LogRecord]:
        """Return the records whose message contains the text."""
        return [r for r in self if text in r.message and level in (None, r.level)]

    @property
    def output(self) -> str:
        """All that a sink has written: where a secret must not be found."""
        return "".join(record.output for record in self)

    def add(self, message: Message) -> None:
        """Take a record; this is the sink."""
        record = message.record
        error = record["exception"].value if record["exception"] else None
        self.append(LogRecord(record["level"].name, record["message"], error, str(message)))


@contextmanager
def collected_logs() -> Iterator[Logs]:
    """Collect what is logged through loguru, of every level, while the context lasts."""
    logs = Logs()
    sink = logger.add(logs.add, level=0, format="{message}", catch=False, diagnose=False)
    try:
        yield logs
    finally:
        logger.remove(sink)
