"""The page for operators: what it shows, in which words, and what nobody can put into it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from nonebot_aiohttp.operations.page.asked import Asked
from nonebot_aiohttp.operations.page.style import STYLE
from nonebot_aiohttp.operations.page.texts import _CHINESE, CHINESE, ENGLISH, Texts
from nonebot_aiohttp.operations.status import (
    BotStatus,
    LoopStatus,
    Status,
)
from tests.support.parsed import Parsed, answer, rendered, shown
from tests.support.sources import (
    NOW,
    QUIET,
    TROUBLED,
    FakeSource,
    Warned,
    loop,
    some_bots,
    some_seconds,
)

HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(1)>&amp; {0} {count}"


def changed(status: Status, **changes: Any) -> Status:
    return replace(status, **changes)


def hostile(value: Any) -> Any:
    """Replace all texts within a value, but for the states, which only the driver chooses."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name not in ("state", "kind")]
        return replace(value, **{name: hostile(getattr(value, name)) for name in names})
    if isinstance(value, tuple):
        return tuple(map(hostile, value))
    if isinstance(value, dict):
        return {f"{HOSTILE}{key}": hostile(each) for key, each in value.items()}
    return HOSTILE if isinstance(value, str) else value


# What nobody can put into it


@pytest.mark.promise("operations: an id such as <script> is shown as text, and never is HTML")
@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
def test_texts_of_others_are_never_html(language: str) -> None:
    source = FakeSource(hostile(TROUBLED), list(map(hostile, some_bots(8))), some_seconds())
    warning = Warned(
        level=HOSTILE, text=HOSTILE, adapter=HOSTILE, bot=HOSTILE, peer=HOSTILE, when=NOW
    )
    page = shown(source, Asked(HOSTILE), [warning], Texts(language))
    clean = shown(FakeSource(TROUBLED, some_bots(8), some_seconds()), Asked("1"), [Warned()])
    for known, others in (
        ({name for name, _ in clean.tags}, {name for name, _ in page.tags}),
        (
            {each for _, at in clean.tags for each in at},
            {each for _, at in page.tags for each in at},
        ),
    ):
        assert others <= known
    assert page.text.count("<script>alert('1')</script>") > 40
    assert not {"script", "img", "form", "input", "iframe"} & {name for name, _ in page.tags}


def test_links_lead_nowhere_else() -> None:
    page = shown(FakeSource(hostile(TROUBLED), some_bots(900)), Asked("javascript:x//", 2))
    links = [each["href"] or "" for each in page.of("a")]
    assert links
    assert {link[0] for link in links} == {"?", "#"}


def test_a_text_that_cannot_be_encoded_does_not_break_the_page() -> None:
    bot = replace(some_bots(1)[0], id="a\ud800b", adapter="x\udfff")
    response = answer(FakeSource(bots=[bot]))
    assert b"a?b" in bytes(response.body)  # type: ignore[arg-type]


def test_long_texts_are_cut() -> None:
    long = "x" * 10_000
    status = changed(
        QUIET,
        loops=(loop(label=long, last_error=long),),
        refused={long: 1},
        calls=TROUBLED.calls,
    )
    bot = replace(some_bots(1)[0], id=long, adapter=long)
    page = rendered(FakeSource(status, [bot]), [Warned(text=long)], Asked(), Texts())
    assert max(map(len, re.findall("x+", page))) == 300


# What a browser may do with it


@pytest.mark.promise("operations: the page runs no script and loads nothing")
def test_nothing_but_its_own_style_is_allowed() -> None:
    response = answer()
    policy = response.headers["Content-Security-Policy"]
    (style,) = re.findall("<style>(.*?)</style>", response.text or "", re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    names = {name for _, attributes in Parsed(response.text or "").tags for name in attributes}
    assert not {name for name in names if name in ("style", "src") or name.startswith("on")}
    assert "url(" not in STYLE


def test_the_other_headers() -> None:
    headers = answer().headers
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Vary"] == "Accept-Language"


def test_it_loads_itself_again_unless_that_is_stopped() -> None:
    assert answer(q="1", page="1").headers["Refresh"] == "10"
    stopped = answer(q="1", refresh="off")
    assert "Refresh" not in stopped.headers
    (again,) = (each["href"] for each in Parsed(stopped.text or "").of("a")[-1:])
    assert again == "?q=1"


@pytest.mark.parametrize(("accepted", "language"), [("zh", "zh-CN"), ("de, en;q=0.5", "en")])
def test_it_is_in_the_language_of_the_browser(accepted: str, language: str) -> None:
    response = answer(headers={"Accept-Language": accepted})
    assert Parsed(response.text or "").of("html") == [{"lang": language}]
    assert response.headers["Content-Language"] == language


# Words


class Noting(Texts):
    """Notes which texts are asked for."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.asked: set[str] = set()

    def __call__(self, text: str, **values: object) -> str:
        self.asked.add(text)
        return super().__call__(text, **values)


def views() -> Iterator[tuple[FakeSource, Asked, list[Warned]]]:
    """Yield all that the page has different words for."""
    warned = [Warned(bot="1", peer="::1", adapter="my"), Warned(when=NOW + 5), Warned(when=0)]
    yield FakeSource(TROUBLED, some_bots(900), some_seconds()), Asked("", 2), warned
    yield FakeSource(QUIET), Asked("", 1, refreshes=False), []
    yield FakeSource(changed(QUIET, loop_lag=2)), Asked(), []
    yield FakeSource(bots=some_bots(2)), Asked("2"), []
    for state in ("not started", "starting", "stopping"):
        yield FakeSource(changed(QUIET, state=state)), Asked(), []
    for after in (-1, 50, 7_000, 86_400, 86_400 * 4):
        loops = (loop(next_attempt=NOW + after),) * 101
        expires, uptime = NOW + after, abs(after)
        told = changed(QUIET, loops=loops, certificate_expires=expires, uptime=uptime)
        told = changed(told, state_since=NOW - after, descriptor_limit=None)
        yield FakeSource(told), Asked(), []


def test_all_of_it_is_in_chinese() -> None:
    texts = Noting(CHINESE)
    for source, asked, warnings in views():
        rendered(source, warnings, asked, texts)
    assert texts.asked - {""} == set(_CHINESE)


@pytest.mark.parametrize("english", _CHINESE)
def test_a_translation_has_the_same_values(english: str) -> None:
    values = re.findall(r"\{(\w+)\}", english)
    assert sorted(re.findall(r"\{(\w+)\}", _CHINESE[english])) == sorted(values)


# Failures


def texts_of(status: Status) -> str:
    return shown(FakeSource(status)).text


def test_a_browser_without_styles_does_not_join_what_stands_below_each_other() -> None:
    bot = BotStatus("my", "7", "polling", NOW - 60, 1, int(NOW) - 2)
    html = rendered(FakeSource(TROUBLED, [bot]), [Warned()], Asked(), Texts())
    read = re.sub(r"<style.*</style>|<[^>]*>", "", html)
    assert "7 my · polling" in read
    assert "1 2 s ago" in read
    assert not re.search(r"[^ >]<small>", html)


@pytest.mark.promise("operations: the page says what is down before anything else")
def test_failures_come_first() -> None:
    text = shown(FakeSource(TROUBLED, some_bots(3), some_seconds()), warnings=[Warned()]).text
    parts = (
        "6 problems",
        "Connections down: 3",
        "Bots gone: 2",
        "Down now",
        "The polling of bot 10005 of my",
        "Load",
        "api.example",
        "ok.example",
        "20001",
        "Bot 1 of my disconnected",
    )
    last = [text.rindex(part) for part in parts[3:]]
    assert last == sorted(last)
    assert text.index(parts[0]) < text.index(parts[1]) < text.index(parts[2]) < last[0]


def test_an_outage_has_its_beginning_its_next_attempt_and_its_error() -> None:
    text = texts_of(changed(QUIET, loops=(loop(),)))
    assert re.search(r"waiting · down for 10 min \(since \d\d:\d\d:\d\d\)\n", text)
    assert re.search(r"next attempt in 42 s \(\d\d:\d\d:\d\d\) · attempts: 7\n", text)
    assert "ClientConnectorError: Cannot connect to host platform.example:443\n" in text


@pytest.mark.parametrize(
    ("state", "down_since", "is_down"),
    [
        ("connecting", None, False),
        ("connecting", NOW - 5, True),
        ("waiting", NOW - 5, True),
        ("connected", None, False),
        ("ended", None, True),
    ],
)
def test_what_connects_for_the_first_time_is_not_down(
    state: str, down_since: float | None, is_down: bool
) -> None:
    made = LoopStatus("The polling of bot 1 of my", state, 0, down_since, None, "")
    text = shown(FakeSource(changed(QUIET, loops=(made,)), some_bots(1))).text
    assert ("Connections down: 1" in text) == is_down
    assert ("Nothing is down." in text) == (not is_down)


def test_a_quiet_driver_has_no_problem() -> None:
    text = texts_of(QUIET)
    assert text.startswith("running · nonebot_aiohttp\n")
    assert "There are no warnings.\n" in text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"loop_lag": 0.5}, "The event loop was late by 0.5 s"),
        ({"descriptors": 49_152}, "File descriptors in use: 49,152 of 65,536"),
        (
            {"certificate_expires": NOW + 5 * 86_400, "certificate_renewal_due": NOW - 1},
            "The certificate expires in 5 days",
        ),
        ({"certificate_expires": NOW - 1}, "The certificate has expired"),
    ],
)
def test_the_process_has_problems(changes: dict[str, Any], problem: str) -> None:
    page = shown(FakeSource(changed(QUIET, **changes)))
    assert f"{problem}\n" in page.text
    assert "1 problem · running · nonebot_aiohttp\n" in page.text
    assert {"href": "#process"} in page.of("a")


@pytest.mark.parametrize("unknown", ["uptime", "loop_lag", "descriptors", "descriptor_limit"])
def test_what_is_unknown_is_left_out(unknown: str) -> None:
    assert "None" not in texts_of(changed(TROUBLED, **{unknown: None}))


# Bots


def rows(page: Parsed) -> int:
    return len(page.of("tr")) - 1


@pytest.mark.promise("operations: the page shows 200 bots at a time, however many there are")
def test_no_more_than_200_bots_are_asked_for_and_shown() -> None:
    source = FakeSource(bots=some_bots(10_000))
    page = shown(source, Asked("", 3))
    assert source.asked == [("", 400, 200)]
    assert rows(page) == 200
    assert "20400\n" in page.text
    assert "Page 3 of 50\n" in page.text


@pytest.mark.parametrize(
    ("page", "first"),
    [
        ("abc", 0),
        ("-1", 0),
        ("0", 0),
        ("", 0),
        ("1e9", 0),
        ("²", 0),
        ("9" * 5_000, 0),
        ("2", 200),
        ("999999", 400),
    ],
)
def test_any_page_can_be_asked_for(page: str, first: int) -> None:
    source = FakeSource(bots=some_bots(450))
    text = answer(source, page=page).text or ""
    assert source.asked[-1] == ("", first, 200)
    assert f"<b>{20_000 + first}</b>" in text


@pytest.mark.parametrize("query", ["x" * 100_000, "&page=2", "\x00\r\n", "%", "九", "'\"<"])
def test_anything_can_be_searched_for(query: str) -> None:
    source = FakeSource(bots=some_bots(3))
    text = answer(source, q=query).text or ""
    ((searched, _, _),) = source.asked
    assert searched == query.strip()[:100]
    assert len(text) < 50_000


def test_links_keep_the_search() -> None:
    page = shown(FakeSource(bots=some_bots(900)), Asked("kook & 'co", refreshes=False))
    assert rows(page) == -1
    page = shown(FakeSource(bots=some_bots(900)), Asked("kook", 2, refreshes=False))
    links = [each["href"] for each in page.of("a")]
    for link in ("?q=kook&refresh=off#bots", "?q=kook&page=3&refresh=off#bots"):
        assert link in links
    assert "?q=kook&page=2" in links
    assert "?refresh=off#bots" in links


def test_a_bot_has_its_times() -> None:
    bot = BotStatus("onebot", "1", "reverse WebSocket", NOW - 180, 1_234, int(NOW) - 7)
    page = shown(FakeSource(bots=[bot]))
    assert "1\nonebot · reverse WebSocket\n3 min ago\n1,234 \n7 s ago\n" in page.text
    exact = [each["title"] or "" for each in page.of("time")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}", each) for each in exact)
    assert len(exact) == 2


# Warnings


def test_the_last_hundred_warnings_are_shown_the_latest_first() -> None:
    warnings = [Warned(text=f"warning {number}", when=NOW - 200 + number) for number in range(150)]
    text = shown(FakeSource(), warnings=warnings).text
    numbers = [int(each) for each in re.findall(r"warning (\d+)\n", text)]
    assert numbers == list(range(149, 49, -1))
