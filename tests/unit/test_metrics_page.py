"""The page on metrics lists those that there are, and its alerts ask for them."""

from __future__ import annotations

import re

import pytest

from nonebot_aiohttp.operations.measures import GROUPS, MEASURES
from nonebot_aiohttp.operations.metrics import PREFIX
from tests.support.documents import CHINESE, DOCS, Document
from tests.support.promql import unknown_names

PAGE = Document(DOCS / "metrics.md")
PAGES = [PAGE, Document(CHINESE / "metrics.md")]
NAME = rf"`{PREFIX}\w+`"


def expected() -> list[list[str]]:
    """Return the rows of the English tables."""
    rows = [(each.name, each.kind, each.labels, each.description) for each in MEASURES] + [
        (each.name, "gauge", group.labels, each.description)
        for group in GROUPS
        for each in group.details
    ]
    return [
        [f"`{PREFIX}{name}`", kind, ", ".join(f"`{label}`" for label in labels), description]
        for name, kind, labels, description in rows
    ]


def test_the_tables_are_the_metrics() -> None:
    assert PAGE.rows(NAME) == expected()


def test_the_chinese_tables_are_the_metrics() -> None:
    found = PAGES[1].rows(NAME)
    assert [row[:3] for row in found] == [row[:3] for row in expected()]
    assert all(row[3].endswith("。") for row in found)


def test_the_alerts_ask_for_what_the_metrics_have() -> None:
    rules = PAGE.files["bot.rules.yml"]
    alerts = re.split(r"- alert: ", rules)[1:]
    assert len(alerts) >= 8
    for alert in alerts:
        assert unknown_names(alert) == set()
        summary = alert.partition("summary:")[2]
        assert set(re.findall(r"\$labels\.(\w+)", summary)) <= labels_of(alert)


def labels_of(alert: str) -> set[str]:
    """Collect the labels that an alert has: those of its ``by``, or of all that it asks for."""
    if grouped := re.search(r"sum by \(([^)]*)\)", alert):
        return set(grouped[1].split(", "))
    has = {"instance", "driver"}
    return has | {"adapter"} if "bots_gone" in alert else has


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.parent.name)
def test_the_dashboard_can_be_downloaded(page: Document) -> None:
    (link,) = (link for link in page.links if link.endswith(".json"))
    assert (page.path.parent / link).resolve() == DOCS / "grafana-dashboard.json"
