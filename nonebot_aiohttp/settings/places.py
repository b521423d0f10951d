"""Where a setting stands, and how the user wrote it.

Only errors ask, so the files are read again.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..exceptions import ValidationError
from ..log import redact_text

FILE_ENCODING = "utf-8-sig"
"""It also reads UTF-8 after a byte order mark, as some editors on Windows write it."""

_LONGEST_VALUE = 60
_SECRET_NAME = re.compile(
    "token|secret|key|passw|pwd|auth|signature|credential|cookie", re.IGNORECASE
)


@dataclass(frozen=True)
class Given:
    """A setting as the user gave it.

    Attributes:
        name: Its name, as the user spelled it.
        value: Its value; the text, if it stands in a file or in the environment.
        before: What an error says before the name.
        after: What an error says after the value.
        is_text: Whether the value is text of a file or of the environment.
    """

    name: str
    value: Any
    before: str = ""
    after: str = ""
    is_text: bool = True

    def written(self, value: Any) -> str:
        """Return how the user would write the setting with another value."""
        return f"{self.name}={_as_text(value) if self.is_text else repr(value)}"


def argument(name: str, value: Any) -> Given:
    """Describe a setting that was given as a keyword argument."""
    return Given(name, value, before="The argument ", is_text=False)


def unplaced(name: str, value: Any) -> Given:
    """Describe a setting of a configuration object, when nobody knows where it came from."""
    return Given(name, value, is_text=False)


def find(names: Collection[str], files: Collection[str]) -> Given | None:
    """Find a setting in the environment, or else in the dotenv files, of which the last wins.

    An empty text counts as not set.

    Args:
        names: The names that it may have, in lower case.
        files: The dotenv files.
    """
    for place, variables in _places(files):
        for name, text in variables.items():
            if name.lower() in names and text and text.strip():
                return Given(name, text, after=f" in {place}")
    return None


def _places(files: Collection[str]) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    yield "the environment", os.environ
    for file in reversed([*files]):
        yield file, _read(file)


class _Caught(logging.Filter):
    """Keeps a record of python-dotenv from being logged, because it names no file."""

    has_caught = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record passes; see ``logging.Filter``."""
        self.has_caught = True
        return False


@contextmanager
def dotenv_silenced() -> Iterator[_Caught]:
    """Keep python-dotenv from logging which lines it cannot parse; give whether it wanted to."""
    caught = _Caught()
    dotenvs = logging.getLogger("dotenv.main")
    dotenvs.addFilter(caught)
    try:
        yield caught
    finally:
        dotenvs.removeFilter(caught)


def _read(file: str) -> Mapping[str, str | None]:
    try:
        # Who reads dotenv files has it, as pydantic-settings and NoneBot2 do.
        from dotenv import dotenv_values

        with dotenv_silenced():
            return dotenv_values(os.path.expanduser(file), encoding=FILE_ENCODING)
    except (ImportError, OSError, ValueError):
        return {}


def unparsed_lines(files: Collection[str]) -> Iterator[str]:
    """Say which lines of dotenv files are ignored, because they cannot be parsed."""
    from dotenv.parser import parse_stream

    for file in files:
        with suppress(OSError), open(os.path.expanduser(file), encoding=FILE_ENCODING) as opened:
            for binding in parse_stream(opened):
                if binding.error:
                    line = binding.original.line
                    yield f"Line {line} of {file} is not NAME=value, and is ignored"


def env_files(files: Any) -> tuple[str, ...]:
    """List dotenv files: none, one, or several."""
    if isinstance(files, str | os.PathLike):
        return (os.fspath(files),)
    return tuple(map(os.fspath, files)) if isinstance(files, list | tuple) else ()


def wrong_encoding(files: Collection[str]) -> ValidationError:
    """Make the error that names the dotenv file whose encoding is not UTF-8."""
    for file in files:
        with suppress(OSError), open(os.path.expanduser(file), "rb") as opened:
            content = opened.read()
            if problem := _encoding_problem(content):
                advice = "save it in UTF-8 with your editor"
                return ValidationError({file: problem}, [f"{file} {problem}: {advice}"])
    return ValidationError({"_env_file": "is not encoded in UTF-8"})


def _encoding_problem(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        return "is encoded in UTF-16, not in UTF-8"
    try:
        content.decode(FILE_ENCODING)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f"is not encoded in UTF-8 (line {line})"
    return ""


def has_secret_name(name: str) -> bool:
    """Tell whether a setting must be a secret, by its name."""
    return bool(_SECRET_NAME.search(name))


def sentence(given: Given, problem: str, advice: str, *, is_secret: bool) -> str:
    """Say in one line what is wrong with a setting.

    Args:
        given: The setting.
        problem: What is wrong, such as "is not a number".
        advice: What to do, such as "write PORT=8080"; may be empty.
        is_secret: Whether the value must not be shown.
    """
    # An object in the place of a text or a number may hold anything.
    value = "" if is_secret or isinstance(given.value, dict) else f"={_shown(given)}"
    text = f"{given.before}{given.name}{value}{given.after} {problem}"
    return f"{text}: {advice}" if advice else text


def _shown(given: Given) -> str:
    text = given.value if given.is_text else repr(given.value)
    # Redaction also normalizes URLs, and that may be what is wrong with them.
    text = text if may_be_shown(text) else redact_text(text)
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}..."


def may_be_shown(value: Any) -> bool:
    """Tell whether redaction finds nothing to hide in a value."""
    return _plain(redact_text(str(value))) == _plain(str(value))


def _plain(text: str) -> str:
    return text.replace("/", "").lower()


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
