"""Tests that only a tag which names the version is released."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nonebot_aiohttp
from tests.support.check_release import main, problems

ROOT = Path(__file__).parents[2]
RELEASED = "# Changelog\n\n## [1.2.3] - 2026-01-31\n\n### Added\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project whose version 1.2.3 can be released."""
    (tmp_path / "nonebot_aiohttp").mkdir()
    (tmp_path / "nonebot_aiohttp" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(RELEASED)
    return tmp_path


def test_the_tag_of_the_version_can_be_released(project: Path) -> None:
    assert problems("v1.2.3", project) == []


@pytest.mark.parametrize("tag", ["v1.2.4", "1.2.3", "v1.2.3rc1", "v1.2", "v"])
def test_other_tags_cannot(project: Path, tag: str) -> None:
    first, *_ = problems(tag, project)
    assert first == f"the tag is {tag}, and __version__ is 1.2.3"


@pytest.mark.parametrize("head", ["## [Unreleased]\n\n", "## [1.2.4] - 2026-02-01\n\n"])
def test_the_changelog_begins_with_the_version(project: Path, head: str) -> None:
    (project / "CHANGELOG.md").write_text(RELEASED.replace("## ", head + "## "))
    assert problems("v1.2.3", project) == ["CHANGELOG.md does not begin with [1.2.3] and the date"]


def test_the_version_of_this_package_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("v0") == 1
    expected = f"the tag is v0, and __version__ is {nonebot_aiohttp.__version__}\n"
    assert expected in capsys.readouterr().out


def test_the_workflow_publishes_what_was_checked_and_nothing_else() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    jobs = text.partition("\njobs:\n")[2]
    names = re.findall(r"^  (\w+):$", jobs, re.MULTILINE)
    assert names == ["version", "tests", "build", "publish"]
    # Each waits for the one before.
    assert re.findall(r"^    needs: (\w+)$", jobs, re.MULTILINE) == names[:-1]
    assert 'check_release "$GITHUB_REF_NAME"' in jobs
    publish = jobs.partition("\n  publish:\n")[2]
    assert "environment: pypi" in publish
    assert text.count("id-token: write") == publish.count("id-token: write") == 1
    assert "password" not in text
    assert "secrets." not in text
