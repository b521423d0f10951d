"""The dashboard for Grafana asks for what the metrics have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.documents import ROOT
from tests.support.promql import unknown_names

DASHBOARD: dict[str, Any] = json.loads((ROOT / "docs/grafana-dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES: list[dict[str, Any]] = DASHBOARD["templating"]["list"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_what_grafana_needs(panel: dict[str, Any]) -> None:
    needed = {"id", "type", "title", "gridPos", "targets", "datasource", "fieldConfig", "options"}
    assert needed <= set(panel)
    assert panel["datasource"] == SOURCE
    assert {*panel["gridPos"]} == {"h", "w", "x", "y"}
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert len(references) == len(set(references))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_the_metrics_have(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert unknown_names(target["expr"], target["legendFormat"]) == set()
        for variable in ("$job", "$instance"):
            assert variable in target["expr"]


def test_ids_and_titles_are_unique_and_panels_do_not_overlap() -> None:
    for key in ("id", "title"):
        assert len({panel[key] for panel in PANELS}) == len(PANELS)
    taken = [
        (left, top)
        for place in (panel["gridPos"] for panel in PANELS)
        for left in range(place["x"], place["x"] + place["w"])
        for top in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))


def test_the_variables_are_there_before_they_are_used() -> None:
    assert [each["name"] for each in VARIABLES] == ["datasource", "job", "instance"]
    assert VARIABLES[0]["query"] == "prometheus"
    for variable in VARIABLES[1:]:
        assert variable["datasource"] == SOURCE
        assert unknown_names(variable["query"]["query"]) == set()


def test_it_is_no_one_elses_dashboard() -> None:
    assert DASHBOARD["title"] == "nonebot_aiohttp"
    assert DASHBOARD["schemaVersion"] >= 36
    # Grafana gives a new one to what is imported.
    assert "id" not in DASHBOARD


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("sum(rate(nonebot_aiohttp_calls_total[5m]))", set()),
        ('up{job="bot"} == 0', set()),
        ("rate(nonebot_aiohttp_call_total[5m])", {"nonebot_aiohttp_call_total"}),
        ('nonebot_aiohttp_calls_total{hosts="x"}', {"hosts"}),
        ("sum by (adapter) (nonebot_aiohttp_calls_total)", {"adapter"}),
        ("sum by (driver, host) (nonebot_aiohttp_calls_total)", set()),
    ],
)
def test_what_does_not_exist_is_noticed(expression: str, unknown: set[str]) -> None:
    assert unknown_names(expression) == unknown
