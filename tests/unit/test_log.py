"""What may be logged of URLs, texts and errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from nonebot_aiohttp.log import (
    MAX_OF_A_KIND,
    MAX_RECENT_TEXTS,
    OnceInAWhile,
    StdlibBridge,
    describe,
    format_traceback,
    log_exception,
    loggable,
    logger,
    redact_path,
    redact_text,
    redact_url,
)
from nonebot_aiohttp.log.naming import (
    FIELDS,
    about,
    bot_name,
    connected_text,
    disconnected_text,
    duration,
    peer_name,
)
from nonebot_aiohttp.log.redaction import loggable_reason
from tests.support.clock import FakeClock
from tests.support.logs import Logs

SECRET = "s3cr3t-T0ken"
TELEGRAM = "https://api.telegram.org/bot123456:ABC-def/getUpdates"


def raised(error: BaseException) -> BaseException:
    """Raise an exception, so that it has a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def response_error(kind: type[aiohttp.ClientResponseError], url: str) -> BaseException:
    request = aiohttp.RequestInfo(URL(url), "GET", CIMultiDictProxy(CIMultiDict()), URL(url))
    return kind(request, (), status=404, message="Not Found")


# URLs


@pytest.mark.promise("forward: URLs are logged without secrets")
@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("http://example.com", "http://example.com/"),
        ("WS://Example.com:8080/onebot/v11/ws", "ws://example.com:8080/onebot/v11/ws"),
        ("https://h:443/v1.2/", "https://h:443/v1.2/"),
        (TELEGRAM, "https://api.telegram.org/***/getUpdates"),
        (f"https://user:{SECRET}@h/path?token={SECRET}#{SECRET}", "https://h/path"),
        ("https://[::1]:8080/ws", "https://[::1]:8080/ws"),
        ("http://h/set-webhook/on_call//x/", "http://h/set-webhook/on_call//x/"),
        ("http://h/sixteen-letters-/abcdefghijklmnop", "http://h/***/abcdefghijklmnop"),
        ("http://h/abcdefghijklmnopq/a1/v1234/-a/a--b", "http://h/***/***/***/***/***"),
        ("http://h/%61bc%20/路径/word%0a", "http://h/***/***/***"),
        (URL("wss://h/ws?a=1"), "wss://h/ws"),
    ],
)
def test_redact_url(url: str | URL, redacted: str) -> None:
    assert redact_url(url) == redacted


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"/path/{SECRET}",
        f"//host/{SECRET}",
        f"mailto:{SECRET}",
        f"http:///{SECRET}",
        f"http://[::1/{SECRET}",
        f"http://user:{SECRET}",
        f"http://h:99999/{SECRET}",
        cast(str, None),
        cast(str, 5),
    ],
)
def test_a_text_that_is_not_an_absolute_url_is_not_shown(url: str) -> None:
    assert redact_url(url) == "<invalid URL>"


@given(st.text())
def test_redact_url_never_raises(text: str) -> None:
    assert isinstance(redact_url(text), str)


@given(st.text("0123456789:-_aB", min_size=17), st.sampled_from(["ws", "https"]))
def test_long_segments_are_never_shown(segment: str, scheme: str) -> None:
    assert segment not in redact_url(f"{scheme}://h/{segment}/x?{segment}#{segment}")


@pytest.mark.parametrize(
    ("path", "redacted"),
    [("/onebot/v11/ws", "/onebot/v11/ws"), (f"/bot/{SECRET}/", "/bot/***/"), ("", ""), ("/", "/")],
)
def test_redact_path(path: str, redacted: str) -> None:
    assert redact_path(path) == redacted


# Texts


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("nothing to hide: 1 + 1 = 2", "nothing to hide: 1 + 1 = 2"),
        (f"GET {TELEGRAM}, failed", "GET https://api.telegram.org/***/getUpdates, failed"),
        (f"url='{TELEGRAM}', n=1", "url='https://api.telegram.org/***/getUpdates', n=1"),
        (f'{{"url": "{TELEGRAM}"}}', '{"url": "https://api.telegram.org/***/getUpdates"}'),
        (
            f"(https://h/{SECRET}/ws) <https://h/{SECRET}/ws>",
            "(https://h/***/ws) <https://h/***/ws>",
        ),
        (f"see ws://h/a?q='{SECRET}'.", "see ws://h/a'."),
        (f"http://[::1/{SECRET} is bad", "<invalid URL> is bad"),
        (f"POST /bot123456:{SECRET}/sendMessage", "POST /bot***/sendMessage"),
        (f"/ws?access_token={SECRET}&x=1", "/ws?access_token=***&x=1"),
        (f"token={SECRET} secret={SECRET} KEY={SECRET}", "token=*** secret=*** KEY=***"),
        (f"api_key='{SECRET} x', password=\"{SECRET}\"", "api_key=***, password=***"),
        (f"{{'access_token': '{SECRET}', 'a': 1}}", "{'access_token': ***, 'a': 1}"),
        (f'"secret" : "{SECRET}', '"secret" : ***'),
        (f"sign={SECRET}", "sign=***"),
        (f"sent Bearer {SECRET}, bearer {SECRET}", "sent Bearer ***, bearer ***"),
        (f"as Bot {SECRET} or QQBot {SECRET}", "as Bot *** or QQBot ***"),
        (f"user:{SECRET}@example.org:80/ws", "user:***@example.org:80/ws"),
        (f"u:{SECRET}@[::1]", "u:***@[::1]"),
        ("at 10:30 @ home, me@example.org", "at 10:30 @ home, me@example.org"),
        ("the bot is gone", "the bot is gone"),
        (f"Authorization: Basic {SECRET}\nHost: h", "Authorization: ***\nHost: h"),
        (f"<'Authorization': 'Bot {SECRET}', 'Host': 'h'>", "<'Authorization': ***, 'Host': 'h'>"),
        (f'"authorization":"{SECRET}"', '"authorization":***'),
    ],
)
def test_redact_text(text: str, redacted: str) -> None:
    assert redact_text(text) == redacted


def test_long_texts_take_no_long_time() -> None:
    # A pattern that scans a word again from each of its letters would take hours.
    for char in ("a", "a.", "token", "://", "'", " ", ":", ":a", "@", ":a@"):
        text = char * (1_000_000 // len(char))
        assert len(redact_text(text)) <= len(text) + 100


@pytest.mark.promise("data: what a peer says forges no line of the log")
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        (" two\n  lines\r\n\tand a tab ", "two lines and a tab"),
        ("\u2028line\u2029separators\x85", "line separators"),
        ("\x1b[1;31mred\x1b[0m \x1b[2J", "red"),
        ("\x1b]0;title\x07\x9b31m", "]0;title31m"),
        ("\u202eevil\u2066\u200b\ufeff", "evil"),
        ("全角\u3000空格", "全角 空格"),
        ("\udcff\ud800", ""),
        ("to\u200bken=s3cr3t", "token=***"),
        (f"see {TELEGRAM}", "see https://api.telegram.org/***/getUpdates"),
        ("x" * 501, "x" * 500 + "..."),
    ],
)
def test_a_peers_text_becomes_one_clean_line(text: str, line: str) -> None:
    assert loggable(text) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"wrong signature sha1={'0123abcd' * 5}", "wrong signature ***"),
        (f"unknown: 123456:{SECRET * 3}", "unknown: 123456:***"),
        ("to\u200bken abc\u200b1234567890abcd", "token ***"),
        ("bot 1234567890123456789 is not registered", "bot 1234567890123456789 is not registered"),
        ("aiohttp_allowed_origins", "aiohttp_allowed_origins"),
        ("令牌错误1234567890abcdefgh", "令牌错误***"),
    ],
)
def test_a_reason_shows_no_long_words_of_letters_and_digits(text: str, line: str) -> None:
    assert loggable_reason(text) == line


@given(st.text())
def test_a_line_is_always_printable(text: str) -> None:
    line = loggable(text, 20)
    assert line.isprintable()
    assert len(line) <= 23


# Names


def test_all_lines_name_a_bot_alike() -> None:
    assert bot_name("1", "my") == "bot 1 of my"
    assert connected_text("1", "my", "reverse WebSocket") == (
        "Bot 1 of my connected (reverse WebSocket)"
    )
    assert disconnected_text("1\n2", "my", "polling") == "Bot 1 2 of my disconnected (polling)"
    way = "reverse WebSocket"
    assert disconnected_text("1", "my", way, 1006) == (
        "Bot 1 of my disconnected (reverse WebSocket, 1006)"
    )
    assert disconnected_text("1", "my", way, 4000, "bye\n") == (
        "Bot 1 of my disconnected (reverse WebSocket, 4000: bye)"
    )
    assert disconnected_text("1", "my", way, 4001, f"not {'a1' * 20}").endswith("4001: not ***)")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::1", "::1"),
        ("", "a Unix socket"),
        (None, "an unknown peer"),
        ("for\nged", "for ged"),
    ],
)
def test_a_peer_is_an_address(address: str | None, name: str) -> None:
    assert peer_name(address) == name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (86, "86 s"), (600, "10 min"), (7199, "120 min"), (9000, "2.5 h")],
)
def test_a_time_is_as_exact_as_its_reader_wants_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# Exceptions


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError(SECRET)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("wrong"), "ValueError: wrong"),
        (ValueError(f"two\n  lines\x1b[31m and {TELEGRAM}"), None),
        (TimeoutError(), "TimeoutError"),
        (asyncio.CancelledError(), "CancelledError"),
        (KeyError("id"), "KeyError: 'id'"),
        (Unprintable(), "Unprintable: <no text: its __str__ failed>"),
        (aiohttp.InvalidURL(f"h/{SECRET}"), "InvalidURL: <invalid URL>"),
        (aiohttp.InvalidURL(f"h/{SECRET}", "no scheme"), "InvalidURL: <invalid URL> no scheme"),
        (
            response_error(aiohttp.ClientResponseError, TELEGRAM),
            "ClientResponseError: 404 Not Found",
        ),
        (
            response_error(aiohttp.WSServerHandshakeError, TELEGRAM),
            "WSServerHandshakeError: 404 Not Found",
        ),
    ],
)
def test_describe(error: BaseException, line: str | None) -> None:
    expected = "ValueError: two lines and https://api.telegram.org/***/getUpdates"
    assert describe(error) == (line or expected)


def test_describe_cuts_endless_messages() -> None:
    assert len(describe(ValueError("x" * 10_000))) < 600


async def test_describe_names_the_host_that_refused(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(f"http://127.0.0.1:{unused_tcp_port}/{SECRET}?token={SECRET}")
    line = describe(caught.value)
    assert line.startswith("ClientConnectorError: ")
    assert f"127.0.0.1:{unused_tcp_port}" in line
    assert SECRET not in line


def test_format_traceback_hides_secrets_in_the_whole_chain() -> None:
    error = raised(aiohttp.InvalidURL(f"h/{SECRET}"))
    error.__context__ = raised(aiohttp.InvalidURL("line"))
    error.__cause__ = raised(response_error(aiohttp.ClientResponseError, f"https://other/{SECRET}"))
    error.__cause__.__cause__ = error
    text = format_traceback(error)
    assert text.startswith("  Traceback (most recent call last):\n")
    assert "ClientResponseError: 404, message='Not Found', url=" in text
    assert "https://other/***" in text
    assert text.endswith("InvalidURL: <invalid URL>")
    assert ", line " in text
    assert SECRET not in text


def test_format_traceback_indents_each_line_and_cuts_endless_ones() -> None:
    error = raised(ValueError("\n".join(["2026-01-01 forged", "y" * 9_000, *"x" * 9_000])))
    lines = format_traceback(error).splitlines()
    assert all(not line or line.startswith("  ") for line in lines)
    assert max(map(len, lines)) < 600
    assert len(lines) == 201
    assert any("lines are left out" in line for line in lines)


def test_format_traceback_begins_at_the_users_code() -> None:
    async def users() -> None:
        raise ValueError("wrong")

    async def run() -> None:
        await asyncio.wait_for(users(), 1)

    with pytest.raises(ValueError, match="wrong") as caught:
        asyncio.run(run())
    assert "in users" in format_traceback(caught.value)
    caught.value.__traceback__ = None
    assert format_traceback(caught.value) == "  ValueError: wrong"


async def test_format_traceback_leaves_out_what_aiohttp_has_called(
    unused_tcp_port: int,
) -> None:
    """Trap: an API call that failed in a handler took 60 lines of aiohttp's."""
    code = "async def users(session, url):\n    async with session.get(url):\n        pass\n"
    scope: dict[str, Any] = {"__name__": "my_plugin"}
    exec(compile(code, "my_plugin.py", "exec"), scope)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await scope["users"](session, f"http://127.0.0.1:{unused_tcp_port}/")
    text = format_traceback(caught.value)
    assert 'my_plugin.py", line 2, in users' in text
    assert "direct cause" in text
    # The innermost frame of each error stays.
    assert text.count("aiohttp") <= 3
    assert len(text.splitlines()) < 20


def test_format_traceback_looks_into_groups() -> None:
    group = ValueError("group")
    group.exceptions = (aiohttp.InvalidURL(f"h/{SECRET}"),)  # type: ignore[attr-defined]
    error = raised(ValueError(f"cannot use h/{SECRET}"))
    error.__cause__ = group
    assert SECRET not in format_traceback(error)


# Records


def test_log_exception_is_one_safe_record(logs: Logs) -> None:
    message = "Adapter {x} <red>{}</red> {0} failed"
    log_exception("ERROR", message, raised(ValueError("{y} <blue>\\<z>")))
    (record,) = logs
    assert record.level == "ERROR"
    assert record.exception is None
    assert record.message.startswith(f"{message}\n  Traceback")
    assert record.message.endswith("ValueError: {y} <blue>\\<z>")


def test_log_exception_names_its_caller() -> None:
    records: list[Any] = []
    sink = logger.add(lambda message: records.append(message.record))
    log_exception("ERROR", "failed", ValueError())
    logger.remove(sink)
    assert [record["function"] for record in records] == ["test_log_exception_names_its_caller"]


def test_a_text_is_due_once_in_a_while(fake_clock: FakeClock) -> None:
    lines = OnceInAWhile(10, fake_clock.clock)
    assert [lines.is_due(text) for text in ("a", "a", "b", "a")] == [True, False, True, False]
    fake_clock._now += 9.9
    assert not lines.is_due("a")
    fake_clock._now += 0.1
    assert lines.is_due("a")
    assert not lines.is_due("a")


def test_texts_of_one_kind_leave_room_for_others(fake_clock: FakeClock) -> None:
    lines = OnceInAWhile(10, fake_clock.clock)
    due = [lines.is_due(str(number), "made up") for number in range(1000)]
    assert sum(due) == MAX_OF_A_KIND
    assert lines.is_due("another")
    assert sum(lines.is_due(str(number)) for number in range(1000)) < MAX_RECENT_TEXTS
    fake_clock._now += 10
    assert lines.is_due("new", "made up")


@pytest.mark.parametrize(
    "text", ["my", "12345", "10.0.0.7", "OneBot-V11", "token.secret_key-Bearer", "x" * 64, "a.b@c"]
)
def test_a_name_is_shown_as_other_texts_are(text: str) -> None:
    for each in (text, f"token={text}", f"Bot {text}", f"{text}\n", f"x:{text}", "é" + text):
        assert bot_name(each, each) == f"bot {loggable(each, 64)} of {loggable(each, 64)}"


def test_what_a_record_is_about() -> None:
    assert about() == about("", "", None) == {}
    assert about("my", 7, "10.0.0.7") == {"adapter": "my", "bot": "7", "peer": "10.0.0.7"}
    assert about(peer="") == {"peer": "a Unix socket"}
    forged = about("a\nb", "1\x1b[31m" + "x" * 100, "y" * 100)
    assert forged["adapter"] == "a b"
    assert len(forged["bot"]) == len(forged["peer"]) == 67
    assert "".join(forged.values()).isprintable()
    assert tuple(forged) == FIELDS


@pytest.fixture
def stdlib_logger() -> Iterator[logging.Logger]:
    """Give a logger of the standard library that only the bridge hears."""
    bridged = logging.getLogger("tests.bridged")
    bridge = StdlibBridge()
    bridged.addHandler(bridge)
    bridged.propagate = False
    bridged.setLevel(1)
    yield bridged
    bridged.removeHandler(bridge)
    bridged.propagate = True
    bridged.setLevel(logging.NOTSET)


def test_bridge_keeps_level_text_and_exception(stdlib_logger: logging.Logger, logs: Logs) -> None:
    error = raised(ValueError("wrong"))
    stdlib_logger.warning("a %s {b} <red> %s", "1", TELEGRAM)
    stdlib_logger.log(33, "odd")
    stdlib_logger.error("failed", exc_info=error)
    stdlib_logger.error("nothing", exc_info=(None, None, None))
    assert [(r.level, r.message, r.exception) for r in logs] == [
        ("WARNING", f"a 1 {{b}} <red> {redact_url(TELEGRAM)}", None),
        ("Level 33", "odd", None),
        ("ERROR", f"failed\n{format_traceback(error)}", None),
        ("ERROR", "nothing", None),
    ]


def test_bridge_keeps_the_fields_by_which_sinks_are_asked(
    stdlib_logger: logging.Logger, logs: Logs
) -> None:
    stdlib_logger.warning("one", extra={"bot": "1", "peer": "10.0.0.7", "more": "x"})
    stdlib_logger.warning("two", extra={"bot": object()})
    assert [each.extra for each in logs] == [{"bot": "1", "peer": "10.0.0.7"}, {}]


@pytest.mark.promise("data: what a peer says forges no line of the log")
def test_bridge_cleans_what_libraries_quote(
    stdlib_logger: logging.Logger, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = "cannot read\n2026-01-01 forged \x1b[31mred"
    stdlib_logger.warning(quoted)
    monkeypatch.setattr(stdlib_logger, "name", "aiohttp.client")
    stdlib_logger.warning(quoted)
    assert logs.messages() == [quoted, "cannot read\n  2026-01-01 forged red"]


def test_bridge_names_the_caller_and_keeps_its_stack(stdlib_logger: logging.Logger) -> None:
    records: list[Any] = []
    sink = logger.add(lambda message: records.append(message.record))
    stdlib_logger.info("here", stack_info=True)
    logger.remove(sink)
    (record,) = records
    assert record["name"] == __name__
    assert record["function"] == "test_bridge_names_the_caller_and_keeps_its_stack"
    assert record["message"].startswith("here\nStack (most recent call last):")


def test_bridge_reports_a_bad_record_as_logging_does(
    logs: Logs, capsys: pytest.CaptureFixture[str]
) -> None:
    StdlibBridge().handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    assert logs == []
    assert "--- Logging error ---" in capsys.readouterr().err
