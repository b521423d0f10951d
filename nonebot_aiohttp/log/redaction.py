"""What of a URL, a text or an error may be logged: the only place that decides it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

import aiohttp
from yarl import URL

HIDDEN = "***"
INVALID_URL = "<invalid URL>"

_LONGEST_WORD = 16
_LONGEST_DESCRIPTION = 500
_SHORTEST_SECRET = 8

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
    text = _one_line(redact_text(_message(exc)))
    return f"{name}: {text}" if text else name


def _message(exc: BaseException) -> str:
    # The texts of these two hold the whole URL.
    if isinstance(exc, aiohttp.ClientResponseError):
        return f"{exc.status} {exc.message}"
    if isinstance(exc, aiohttp.InvalidURL):
        return f"{INVALID_URL} {exc.description or ''}"
    try:
        return str(exc)
    except Exception:
        return "<no text: its __str__ failed>"


def _one_line(text: str) -> str:
    """Join the lines, drop control characters of terminals, and cut a text that is too long."""
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return line if len(line) <= _LONGEST_DESCRIPTION else f"{line[:_LONGEST_DESCRIPTION]}..."


def format_traceback(exc: BaseException) -> str:
    """Format the traceback of an exception and of its causes, without secrets.

    Args:
        exc: The exception.

    Returns:
        Lines, without a newline at the end.
    """
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    for url in _unusable_urls(exc):
        text = text.replace(url, INVALID_URL)
    return "\n".join(map(redact_text, text.splitlines()))


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
