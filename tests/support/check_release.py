"""Checks that a tag names the version that the package and the changelog name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return the reasons against a release with this tag, without importing the package."""
    module = (root / "nonebot_aiohttp" / "__init__.py").read_text(encoding="utf-8")
    versions = re.findall(r'^__version__ = "(.+)"$', module, re.MULTILINE)
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    found = []
    if [tag] != [f"v{version}" for version in versions]:
        found.append(f"the tag is {tag}, and __version__ is {', '.join(versions)}")
    version = tag.removeprefix("v")
    if not heads or not re.fullmatch(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", heads[0]):
        found.append(f"CHANGELOG.md does not begin with [{version}] and the date")
    return found


def main(tag: str) -> int:
    """Return 0 if the tag can be released."""
    found = problems(tag)
    print(*found or [f"{tag} can be released"], sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
