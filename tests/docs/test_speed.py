"""The page on speed: its figures are those of the run, and their commands are there."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

import pytest

from benchmarks.catalog import PATHS
from tests.stress import test_exhaustion
from tests.stress.walking import walk
from tests.support.documents import ROOT, Document

PAGE = Document(ROOT / "docs" / "speed.md")
RUN = json.loads((ROOT / "docs" / "benchmarks.json").read_text("utf-8"))
ROWS = PAGE.table("`nonebot_aiohttp.nonebot2`")
BY_KEY: dict[str, dict[str, Any]] = {path["key"]: path for path in RUN["paths"]}


def format_figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_that_of_the_run(row: list[str]) -> None:
    path = BY_KEY[row[-1].strip("`")]
    medians = {format_figure(subject["median"]) for subject in path["subjects"]}
    ratios = {f"{each['ratio']:.2f}" for each in (*path["subjects"], *path["targets"])}
    cells = row[1:-1]
    shown = re.findall(r"\d[\d,.]*\d", " ".join(cells))
    assert len(shown) >= len(cells) - cells.count("-")
    assert set(shown) <= medians | ratios


def test_every_path_of_the_run_has_a_row_and_the_others_are_named() -> None:
    keys = [row[-1].strip("`") for row in ROWS]
    assert keys == list(BY_KEY)
    known = {path.key for path in PATHS}
    assert set(keys) <= known
    assert all(f"`{key}`" in PAGE.prose for key in known)


def test_the_machine_is_that_of_the_run() -> None:
    named = {
        *(RUN["packages"][each] for each in ("aiohttp", "uvloop")),
        RUN["python"],
        RUN["date"][:10],
        RUN["machine"]["cpu"],
    }
    assert all(each in PAGE.prose for each in named)
    assert RUN["load"]["http"] == "wrk"
    assert RUN["machine"]["kept_awake"]


def median(key: str, subject: str) -> float:
    (found,) = (each["median"] for each in BY_KEY[key]["subjects"] if each["name"] == subject)
    return float(found)


def test_where_others_are_better_by_how_much() -> None:
    server = median("webhook", "bare aiohttp, web.Server") / median("webhook", "nonebot_aiohttp")
    raw = median("asgi", "raw ASGI function") / median("asgi", "nonebot_aiohttp")
    less = 1 - median("memory", "bare aiohttp") / median("memory", "nonebot_aiohttp")
    assert f"takes {server:.1f} times as many webhooks" in PAGE.prose
    assert re.search(rf"behind uvicorn\s+{raw:.1f} times", PAGE.prose)
    assert round(1 / less) == 6


def test_the_missed_targets_are_those_of_the_run() -> None:
    targets = chain.from_iterable(path["targets"] for path in RUN["paths"])
    missed = {f"{each['bound']:g}" for each in targets if not each["met"]}
    (text,) = re.findall(r"The run above missed these:(.*?)The two runs before", PAGE.prose, re.S)
    assert "as many messages over a reverse WebSocket as `~fastapi`" in PAGE.prose
    out_of_reach = {"2"}
    assert missed - out_of_reach == {f"{float(each):g}" for each in re.findall(r"\d\.\d+", text)}


def test_the_tests_under_load_are_there_with_their_limits() -> None:
    rows = PAGE.table("what must hold")
    for path in re.findall(r"`(tests/[\w/.]+)`", " ".join(row[-1] for row in rows)):
        assert (ROOT / path).is_file()
    assert f"{walk.MEMORY_LIMIT >> 20} MiB" in rows[0][1]
    for limit in (test_exhaustion.MEMORY, test_exhaustion.BODY_MEMORY):
        assert f"{limit >> 20} MiB" in PAGE.prose
