"""The table of docs/adapters.md: what the suites of these adapters have found, driver by driver.

``python -m tests.adapters.table`` writes it, where all of the adapters are installed.
"""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nonebot_aiohttp.testing import OURS, STOCK, suites

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "adapters.md"
BEGIN, END = "<!-- what was found -->", "<!-- end of what was found -->"

ADAPTERS = {
    "nonebot.adapters.discord": ("Discord", "nonebot-adapter-discord"),
    "nonebot.adapters.feishu": ("Feishu", "nonebot-adapter-feishu"),
    "nonebot.adapters.github": ("GitHub", "nonebot-adapter-github"),
    "nonebot.adapters.kaiheila": ("KOOK", "nonebot-adapter-kaiheila"),
    "nonebot.adapters.milky": ("Milky", "nonebot-adapter-milky"),
    "nonebot.adapters.onebot.v11": ("OneBot 11", "nonebot-adapter-onebot"),
    "nonebot.adapters.onebot.v12": ("OneBot 12", "nonebot-adapter-onebot"),
    "nonebot.adapters.qq": ("QQ", "nonebot-adapter-qq"),
    "nonebot.adapters.satori": ("Satori", "nonebot-adapter-satori"),
    "nonebot.adapters.telegram": ("Telegram", "nonebot-adapter-telegram"),
}
"""The names and the distributions of the adapters, by their modules."""

WAYS: Mapping[Any, str] = {
    suites.WebhookSuite: "webhook",
    suites.ReverseWebSocketSuite: "reverse WebSocket",
    suites.PollingSuite: "polling",
    suites.ForwardWebSocketSuite: "forward WebSocket",
}

DRIVERS = (OURS, *STOCK)

Suite = type[suites.Suite]


def found_suites(folder: Path = HERE) -> list[Suite]:
    """List the suites of the test modules, by the names of their adapters, and by their ways."""
    found = []
    for path in sorted(folder.glob("test_*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        for name, each in vars(module).items():
            if name.startswith("Test") and issubclass(each, suites.Suite):
                assert not inspect.isabstract(each), f"{name} lacks {each.__abstractmethods__}"
                found.append(each)
    return sorted(found, key=lambda suite: (ADAPTERS[suite.adapter][0], way_of(suite)))


def way_of(suite: Suite) -> str:
    """Name the way by which events come, and what is special about it."""
    way = next(name for kind, name in WAYS.items() if issubclass(suite, kind))
    variant = getattr(suite, "variant", "")
    return f"{way}, {variant}" if variant else way


def lines() -> Iterator[str]:
    """Make the lines between the marks."""
    found = found_suites()
    yield ""
    yield "## How many rules are kept"
    yield ""
    yield from _summary(found)
    yield ""
    yield "## What fails"
    for title in dict.fromkeys(ADAPTERS[suite.adapter][0] for suite in found):
        its = [suite for suite in found if ADAPTERS[suite.adapter][0] == title and suite.known]
        if its:
            yield ""
            yield f"## {title}"
            yield ""
            yield "| Test | Way | Drivers | What happens |"
            yield "| --- | --- | --- | --- |"
            yield from _rows(its)
    yield ""


def _summary(found: list[Suite]) -> Iterator[str]:
    yield f"| Adapter | Version | Way | Rules | {' | '.join(f'`{line}`' for line in DRIVERS)} |"
    yield "| --- " * (4 + len(DRIVERS)) + "|"
    for suite in found:
        title, distribution = ADAPTERS[suite.adapter]
        kept = [str(_count_kept(suite, line)) for line in DRIVERS]
        rules = len(suites.names_of(suite))
        cells = (title, version(distribution), way_of(suite), str(rules), *kept)
        yield f"| {' | '.join(cells)} |"


def _count_kept(suite: Suite, driver: str) -> int:
    """Count the rules that an adapter keeps on a driver."""
    broken = {test for test, known in suite.known.items() if known.applies_to(driver)}
    rules = suites.names_of(suite)
    return sum(not {rule, rule.partition("[")[0]} & broken for rule in rules)


def _rows(found: list[Suite]) -> Iterator[str]:
    """Make the rows of an adapter; what is the same in several ways is one row."""
    ways = defaultdict(list)
    for suite in found:
        for test, known in suite.known.items():
            on = [f"`{line}`" for line in DRIVERS if known.applies_to(line)]
            assert on, f"{suite.__name__}: {test} fails on no driver that is tested"
            where = "all" if len(on) == len(DRIVERS) else ", ".join(on)
            ways[test, where, known.reason].append(way_of(suite))
    for (test, where, reason), its in sorted(ways.items()):
        text = reason.replace("|", "\\|")
        yield f"| `{test}` | {', '.join(its)} | {where} | {text} |"


def written(page: str) -> str:
    """Return a page with the table as it has to be.

    Raises:
        ValueError: The page does not have the marks, each once.
    """
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found or BEGIN in rest or END in after:
        raise ValueError(f"the page has to have {BEGIN} and {END}, each once")
    table = "\n".join(lines())
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
