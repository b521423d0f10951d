"""What of a URL, a text or an error may be logged: the only place that decides it."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import traceback
from collections.abc import Iterator
from types import TracebackType

import aiohttp
from yarl import URL

HIDDEN = "***"
INVALID_URL = "<invalid URL>"

_LONGEST_WORD = 16
_LONGEST_LINE = 500
_MOST_LINES = 200
_SHORTEST_SECRET = 8
# How many times as long as what is shown of it the part of a text is that is looked at.
_LOOKED_AT = 20

# Words such as "ws", "getUpdates" and "set-webhook", and the versions "v11" and "v1.2". Tokens look
# different.
_PLAIN_SEGMENT = re.compile(r"(?:[A-Za-z]+(?:[-_][A-Za-z]+)*)?|v\d{1,3}(?:\.\d{1,2})?")

# A URL right after a quote ends at the next quote; any other URL may hold quotes. The length of the
# scheme is bounded, so that the pattern does not scan a long word again from each of its letters.
_URL = re.compile(
    r"(?:(?<=')[a-z][a-z\d+.-]{0,19}://[^\s\"<>']+|[a-z][a-z\d+.-]{0,19}://[^\s\"<>]+)", re.I
)
_AFTER_URL = ".,:;!?)]}'"

_VALUE = r"""(?:'[^']*'?|"[^"]*"?|[^\s&"'<>]+)"""
_SECRETS = (
    # access_token=..., "secret": "..."
    re.compile(
        r"((?:token|secret|passw(?:or)?d|key|signature|sign)(?:=|[\"']\s*:\s*))" + _VALUE,
        re.IGNORECASE,
    ),
    # Authorization: Basic ..., 'Authorization': 'Bearer ...'
    re.compile(
        r"(\bauthorization[\"']?\s*[:=]\s*)(?:'[^']*'?|\"[^\"]*\"?|(?:\w+ +)?[^\s,]+)",
        re.IGNORECASE,
    ),
    re.compile(r"(\bbearer +)[^\s\"',]+", re.IGNORECASE),
    re.compile(r"(\b(?:QQ)?Bot +)[^\s\"',]+"),
    # The password of a URL without its scheme: user:...@host
    re.compile(r"(:)[^\s/:@\"'<>]+(?=@[\w\[])"),
    # A Telegram path without its scheme and host: /bot123456:ABC-def/getUpdates
    re.compile(r"(/bot)\d+:[\w-]+", re.IGNORECASE),
)


def redact_url(url: str | URL) -> str:
    """Return what may be logged of a URL: scheme, host, port, and the plain words of its path.

    User information, query and fragment are left out. ``***`` replaces each segment of the path
    that could be a secret: a Telegram path, for instance, holds the bot's token.

    Args:
        url: An absolute URL.

    Returns:
        Text that holds no credentials; ``"<invalid URL>"`` if ``url`` is not an absolute URL.
    """
    try:
        url = URL(url)
        host, port = url.raw_host, url.explicit_port
    except (TypeError, ValueError):
        return INVALID_URL
    if not url.scheme or not host:
        return INVALID_URL
    host = f"[{host}]" if ":" in host else host
    authority = host if port is None else f"{host}:{port}"
    return f"{url.scheme}://{authority}{redact_path(url.raw_path)}"


def redact_path(path: str) -> str:
    """Return what may be logged of a URL's path: its plain words.

    Args:
        path: The percent-encoded path, without query and fragment.

    Returns:
        The path, in which ``***`` replaces each segment that could be a secret.
    """
    return "/".join(map(_redact_segment, path.split("/")))


def _redact_segment(segment: str) -> str:
    is_plain = len(segment) <= _LONGEST_WORD and _PLAIN_SEGMENT.fullmatch(segment)
    return segment if is_plain else HIDDEN


def redact_text(text: str) -> str:
    """Redact the URLs in a text, and hide its tokens, secrets, keys and credentials.

    Args:
        text: Any text, such as the message of an exception. It may have several lines.

    Returns:
        The text that may be logged. In doubt, a part of it is hidden.
    """
    text = _URL.sub(_redact_match, text)
    for secret in _SECRETS:
        text = secret.sub(rf"\1{HIDDEN}", text)
    return text


def _redact_match(match: re.Match[str]) -> str:
    found = match.group()
    url = found.rstrip(_AFTER_URL)
    return redact_url(url) + found[len(url) :]


def describe(exc: BaseException) -> str:
    """Describe an exception in one line that holds no secrets.

    Args:
        exc: The exception.

    Returns:
        The name of its class, and its message if it has one.
    """
    name = type(exc).__name__
    text = loggable(_message(exc))
    return f"{name}: {text}" if text else name


def _message(exc: BaseException) -> str:
    # The texts of these two hold the whole URL.
    if isinstance(exc, aiohttp.ClientResponseError):
        return f"{exc.status} {exc.message}"
    if isinstance(exc, aiohttp.InvalidURL):
        return f"{INVALID_URL} {exc.description or ''}"
    if isinstance(exc, aiohttp.ServerDisconnectedError) and not isinstance(exc.message, str):
        # aiohttp's text is then all that it has read of the answer.
        return "Server disconnected in the head of its answer"
    try:
        return str(exc)
    except Exception:
        return "<no text: its __str__ failed>"


_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# A sequence that controls a terminal (ECMA-48, section 5.4), such as a colour.


def loggable(text: str, longest: int = _LONGEST_LINE) -> str:
    """Return what may be logged of a text that a peer can have made up; the log shows no other.

    Close reasons, ids, reason phrases and messages of errors are such texts. Line breaks and
    control characters in them would forge lines of the log, or change how a terminal shows it.

    Args:
        text: Any text.
        longest: Characters after which it is cut.

    Returns:
        One line that holds no secrets and no control characters, not even invisible ones.
    """
    words = text[: _LOOKED_AT * longest].split()
    line = redact_text(_printable(" ".join(words)).strip())
    return _cut(line, longest)


_LONG_WORD = re.compile(rf"[\w+=-]{{{_LONGEST_WORD + 1},}}", re.ASCII)


def loggable_reason(text: str, longest: int = _LONGEST_LINE) -> str:
    """Return what may be logged of a reason, as ``loggable`` does.

    A reason may quote what was wrong, so a long word of letters and digits counts as a secret: it
    looks like a token or a signature.
    """
    return _LONG_WORD.sub(_hide_if_mixed, loggable(text, longest))


def _hide_if_mixed(match: re.Match[str]) -> str:
    word = match.group()
    is_mixed = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return HIDDEN if is_mixed else word


def hanging(text: str) -> str:
    """Redact a text of several lines as ``loggable`` does, and indent those after the first."""
    first, *more = text.splitlines() or [""]
    return "\n".join([redact_text(_printable(first)), *_indented(more)])


def _indented(lines: list[str]) -> Iterator[str]:
    for each in lines:
        line = _cut(redact_text(_printable(each)))
        yield f"  {line}" if line else ""


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    line = _TERMINAL.sub("", line)
    return "".join(each if each.isprintable() else " " * each.isspace() for each in line)


def _cut(line: str, longest: int = _LONGEST_LINE) -> str:
    return line if len(line) <= longest else f"{line[:longest]}..."


def format_traceback(exc: BaseException) -> str:
    """Format the traceback of an exception and of its causes, without secrets.

    Each line is indented, because the message of an exception may be a peer's text of several
    lines: no line of it can be taken for a record of the log. The frames before the first one of a
    user's are left out: those of this package, and of the libraries by which it calls the user's.
    Of the frames behind it those of aiohttp and asyncio are left out, but for the innermost one.

    Args:
        exc: The exception.

    Returns:
        Lines without control characters, and without a newline at the end.
    """
    frames = _from_users_frame(exc.__traceback__)
    formatted = traceback.TracebackException(type(exc), exc, frames, compact=True)
    if frames is not None and not _is_of_caller(frames):
        _leave_out_libraries(formatted)
    text = "".join(formatted.format())
    for url in _unusable_urls(exc):
        text = text.replace(url, INVALID_URL)
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        lines[half:-half] = [f"... {len(lines) - 2 * half} lines are left out ..."]
    return "\n".join(_indented(lines))


_CALLERS = re.compile(
    r"(?:nonebot_aiohttp|aiohttp|asyncio|anyio|concurrent|contextvars"
    r"|nonebot(?!\.(?:adapters|plugins)\b))(?:\.|$)"
)
# Modules through which a user's function is called; an adapter's own are like a user's.


def _from_users_frame(first: TracebackType | None) -> TracebackType | None:
    """Skip the frames before the first one of the user's code; without such a frame skip none."""
    each = first
    while each is not None:
        if not _is_of_caller(each):
            return each
        each = each.tb_next
    return first


def _is_of_caller(frame: TracebackType) -> bool:
    return _CALLERS.match(str(frame.tb_frame.f_globals.get("__name__", ""))) is not None


_AIOHTTP = os.path.dirname(os.path.abspath(inspect.getfile(aiohttp)))
_LIBRARIES = (
    os.path.join(_AIOHTTP, ""),
    os.path.join(os.path.dirname(_AIOHTTP), "aiohappyeyeballs", ""),
    os.path.join(os.path.dirname(os.path.abspath(inspect.getfile(asyncio))), ""),
)


def _leave_out_libraries(formatted: traceback.TracebackException) -> None:
    """Leave out the frames of aiohttp and asyncio, also of the causes, but for the innermost."""
    seen: set[int] = set()
    pending: list[traceback.TracebackException | None] = [formatted]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ())]
        each.stack[:-1] = [
            frame for frame in each.stack[:-1] if not frame.filename.startswith(_LIBRARIES)
        ]


def _unusable_urls(exc: BaseException | None) -> Iterator[str]:
    """Yield the invalid URLs that a chain of exceptions quotes; they may not look like URLs."""
    seen: set[int] = set()
    pending = [exc]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
        # A shorter text cannot be a secret, and may be a word of the traceback.
        if isinstance(each, aiohttp.InvalidURL) and len(str(each.url)) >= _SHORTEST_SECRET:
            yield str(each.url)
