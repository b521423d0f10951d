"""Combines the coverage data of the environments, and fails if the data of one are missing.

tox skips an environment whose Python is missing. The code that only this environment reaches would
count as code that no test reaches.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "nonebot_aiohttp"


def measuring_environments(root: Path) -> list[str]:
    """Return the environments on which tox's environment ``report`` depends."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(root / "tox.ini", encoding="utf-8")
    return [name.strip() for name in tox["testenv:report"]["depends"].split(",")]


def data_file(root: Path, environment: str) -> Path:
    """Return the path of an environment's data: ``COVERAGE_FILE`` in tox.ini."""
    return root / f".coverage-{environment}"


def problems(root: Path) -> list[str]:
    """Return a line for each environment whose data are missing, or older than the code."""
    sources = (root / PACKAGE).rglob("*.py")
    newest = max(sources, key=lambda path: path.stat().st_mtime)
    found = []
    for environment in measuring_environments(root):
        data = data_file(root, environment)
        if not data.exists():
            found.append(f"{environment} has no data: it was skipped, or it has failed")
        elif data.stat().st_mtime < newest.stat().st_mtime:
            found.append(f"the data of {environment} are older than {newest.relative_to(root)}")
    return found


def main(root: Path = ROOT) -> int:
    """Return 0 if all environments have data, and the coverage is high enough."""
    if found := problems(root):
        print(*found, "run these environments again, and then this one", sep="\n")
        return 1
    coverage = [sys.executable, "-m", "coverage"]
    files = [str(data_file(root, name)) for name in measuring_environments(root)]
    # The data are kept, so that the report can be repeated.
    subprocess.run([*coverage, "combine", "--quiet", "--keep", *files], cwd=root, check=True)
    return subprocess.run([*coverage, "report"], cwd=root).returncode


if __name__ == "__main__":
    sys.exit(main())
