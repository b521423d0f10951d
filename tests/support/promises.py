"""The promises of the project, collected from the marks of the tests that show them.

``python -m tests.support.promises`` prints docs/promises.md, and with the argument ``zh``
docs/zh/promises.md.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
CHINESE = json.loads(Path(__file__).with_name("chinese.json").read_text("utf-8"))
"""The Chinese texts of what pages are made of: of promises, their parts, and settings."""

PARTS = {
    "registry": "Adapters and bots",
    "webhook": "Webhooks",
    "reverse": "WebSockets",
    "browsers": "Browsers",
    "forward": "Polling, forward WebSockets and API calls",
    "life": "Starting, stopping and hosts",
    "data": "Settings and refusals",
    "strangers": "Limits for strangers",
    "several processes": "Several processes",
    "operations": "What operators see",
}
"""The headings of the page, by the first words of a promise."""

HEAD_FILE = Path(__file__).with_name("promises.md")
CHINESE_HEAD_FILE = Path(__file__).with_name("promises.zh.md")
"""What the pages say in words, before the lists."""

Promises = dict[str, dict[str, list[str]]]
"""The names of tests, by the text of a promise and the path of a file."""


def marked(tests: Path = TESTS) -> Promises:
    """Find the promises of the tests' marks, without importing the tests.

    Raises:
        ValueError: A mark is not a literal text, or the text does not begin with a part.
    """
    promises: Promises = defaultdict(lambda: defaultdict(list))
    for path in sorted(tests.rglob("test_*.py")):
        for promise, test in _marks(path):
            if promise.partition(": ")[0] not in PARTS:
                raise ValueError(f"{path}: {promise!r} has to begin with one of {', '.join(PARTS)}")
            promises[promise][path.relative_to(tests).as_posix()].append(test)
    return promises


def _marks(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                    yield ast.literal_eval(mark.args[0]), node.name


def page(promises: Promises) -> str:
    """Return the text of docs/promises.md."""
    texts = {promise: promise.partition(": ")[2] for promise in promises}
    return "\n".join([HEAD_FILE.read_text("utf-8"), *_lines(promises, texts, PARTS, "../tests")])


def chinese_page(promises: Promises) -> str:
    """Return the text of docs/zh/promises.md."""
    lines = _lines(promises, CHINESE["promises"], CHINESE["parts"], "../../tests")
    return "\n".join([CHINESE_HEAD_FILE.read_text("utf-8"), *lines])


def _lines(
    promises: Promises, texts: dict[str, str], headings: dict[str, str], tests: str
) -> Iterable[str]:
    for part in PARTS:
        yield f"### {headings[part]}\n"
        for promise in sorted(promises):
            if promise.startswith(f"{part}: "):
                yield f"- {texts[promise]}"
                for file, names in promises[promise].items():
                    shown = ", ".join(f"`{name}`" for name in names)
                    yield f"  - [{file}]({tests}/{file}): {shown}"
        yield ""


if __name__ == "__main__":
    make = chinese_page if sys.argv[1:] == ["zh"] else page
    sys.stdout.write(make(marked()))
