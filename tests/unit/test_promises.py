"""The documentation's page of promises says what the tests are marked with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.promises import CHINESE, PARTS, chinese_page, marked, page

DOCS = Path(__file__).parents[2] / "docs"


def test_page_shows_the_marks() -> None:
    assert (DOCS / "promises.md").read_text("utf-8") == page(marked())


def test_every_promise_has_a_chinese_text_and_no_text_is_left_over() -> None:
    assert set(CHINESE["promises"]) == set(marked())
    assert set(CHINESE["parts"]) == set(PARTS)


def test_the_chinese_page_shows_the_marks() -> None:
    assert (DOCS / "zh" / "promises.md").read_text("utf-8") == chinese_page(marked())


def test_every_part_has_promises() -> None:
    assert {promise.partition(": ")[0] for promise in marked()} == set(PARTS)


def write(directory: Path, decorators: str) -> None:
    (directory / "test_it.py").write_text(f"{decorators}\ndef test_that(): ...\n", "utf-8")


def test_a_test_may_show_several_promises(tmp_path: Path) -> None:
    promises = ["data: first", "life: second"]
    write(tmp_path, "\n".join(f'@pytest.mark.promise("{promise}")' for promise in promises))
    assert marked(tmp_path) == {promise: {"test_it.py": ["test_that"]} for promise in promises}


@pytest.mark.parametrize("text", ['"nothing: first"', '"first"', "FIRST"])
def test_a_mark_that_no_page_can_show_is_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, f"@pytest.mark.promise({text})")
    with pytest.raises(ValueError, match=r"begin with one of|malformed node"):
        marked(tmp_path)
