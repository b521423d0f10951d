"""The parts that the page for operators is made with: language, HTML, times, plots."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from nonebot_aiohttp.operations.page.elements import Markup, element, filled, joined
from nonebot_aiohttp.operations.page.moments import Moments
from nonebot_aiohttp.operations.page.plots import SECONDS, plot
from nonebot_aiohttp.operations.page.texts import CHINESE, ENGLISH, Texts, choose_language

NOW = 1_790_000_000.0

# The language


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", ENGLISH),
        ("zh", CHINESE),
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("zh-TW", CHINESE),
        ("ZH-Hant-HK ; Q=0.3", CHINESE),
        ("en-GB,en;q=0.9,zh;q=0.8", ENGLISH),
        ("en;q=0.8,zh;q=0.9", CHINESE),
        ("en;q=0.5,zh;q=0.5", ENGLISH),
        ("zh;q=0.5,en;q=0.5", CHINESE),
        ("de,fr;q=0.9,zh;q=0.1", CHINESE),
        ("de", ENGLISH),
        ("*", ENGLISH),
        ("zh;q=0", ENGLISH),
        ("zh;q=0.000,*;q=0.5", ENGLISH),
        ("*;q=0.1,zh;q=0.2", CHINESE),
        ("zho", ENGLISH),
        ("zh;q=2", ENGLISH),
        ("zh;q=nan,en", ENGLISH),
        ("zh;q=0.1234", ENGLISH),
        (",,;q=1,zh_CN", ENGLISH),
        (" zh , x" * 2_000, CHINESE),
    ],
)
def test_the_language_that_is_liked_best(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language


# HTML


def test_texts_are_escaped_and_html_is_not() -> None:
    inner = element("b", "<&>")
    assert inner == "<b>&lt;&amp;&gt;</b>"
    assert element("p", inner, '"') == "<p><b>&lt;&amp;&gt;</b>&quot;</p>"
    assert joined([inner, "<"]) == "<b>&lt;&amp;&gt;</b>&lt;"
    assert filled("<i>{}{}</i>", inner, "{0}<") == "<i><b>&lt;&amp;&gt;</b>{0}&lt;</i>"


def test_a_text_made_of_html_is_escaped_again() -> None:
    assert element("p", Markup("<b>") + "<i>") == "<p>&lt;b&gt;&lt;i&gt;</p>"


def test_attributes_are_escaped_or_left_out() -> None:
    made = element("a", class_=None, aria_label="\"'<>&", viewBox="0 1")
    assert made == '<a aria-label="&quot;&#x27;&lt;&gt;&amp;" viewBox="0 1"></a>'


# Times


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (0, "0 s ago"),
        (-119, "119 s ago"),
        (-120, "2 min ago"),
        (-7_199, "119 min ago"),
        (-7_200, "2 h ago"),
        (-86_400 * 2, "2 days ago"),
        (0.5, "in 0 s"),
        (130, "in 2 min"),
        (1e12, "in 11574074 days"),
        (-2e9, "23148 days ago"),
    ],
)
def test_how_long_ago(after: float, said: str) -> None:
    moments = Moments(Texts(), NOW)
    assert moments.relative(NOW + after) == said
    assert f">{said}</time>" in moments.element(NOW + after)
    assert moments.both(NOW + after).startswith(said)


def test_how_long() -> None:
    moments = Moments(Texts(), NOW)
    assert re.fullmatch(r"for 10 min \(since \d\d:\d\d:\d\d\)", moments.lasting(NOW - 600))
    # The clock of the machine was set back.
    assert moments.lasting(NOW + 9).startswith("for 0 s (since ")


def test_exactly_when() -> None:
    made = Moments(Texts(CHINESE), NOW).element(NOW - 180)
    found = re.search('datetime="(.*?)" title="(.*?)">3 分钟前<', made)
    assert found is not None
    assert found[1] == found[2]
    assert datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S%z").timestamp() == NOW - 180


def test_the_date_is_shown_where_it_is_needed() -> None:
    moments = Moments(Texts(), NOW)
    assert re.fullmatch(r"60 min ago \(\d\d:\d\d:\d\d\)", moments.both(NOW - 3_600))
    assert re.fullmatch(r"3 days ago \(2026-09-1\d \d\d:\d\d\)", moments.both(NOW - 3 * 86_400))


# Plots


def points(values: list[int]) -> list[str]:
    found = re.search('<polyline class="top" points="(.*?)"', plot(Texts(), "Calls", values))
    assert found is not None
    return found[1].split()


def test_a_plot_says_its_latest_and_its_highest_value() -> None:
    drawn = plot(Texts(), "Calls", [0, 1_000, 5])
    title = "Calls a second in the last five minutes: now 5, highest 1,000"
    assert f"<title>{title}</title>" in drawn
    assert "<span>now 5 · highest 1,000</span>" in drawn


@pytest.mark.parametrize("values", [[], [0, 0, 0]])
def test_a_plot_of_nothing_is_a_line(values: list[int]) -> None:
    drawn = plot(Texts(), "Calls", values)
    assert "now 0 · highest 0" in drawn
    assert "<line " in drawn
    assert "<polyline" not in drawn


def test_the_latest_value_is_at_the_right() -> None:
    assert points([4, 0, 2]) == ["297,0", "298,100", "299,50"]
    assert points([1] * 999) == ["0,0", f"{SECONDS - 1},0"]


def test_points_amid_equal_ones_are_left_out() -> None:
    assert points([0] * 100 + [1] + [0] * 100) == [
        "99,100",
        "198,100",
        "199,0",
        "200,100",
        "299,100",
    ]


def test_what_fails_has_another_line() -> None:
    assert 'class="top bad-top"' in plot(Texts(), "Failures", [1], is_bad=True)
