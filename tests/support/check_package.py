"""Builds the distributions, checks them, and imports the wheel in a clean environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "nonebot_aiohttp"

IN_THE_CLEAN_ENVIRONMENT = """
import importlib.metadata, pathlib, sys
import nonebot_aiohttp
home = pathlib.Path(nonebot_aiohttp.__file__).parent
assert "site-packages" in home.parts, home
assert nonebot_aiohttp.__version__ == importlib.metadata.version("nonebot-aiohttp")
assert "pydantic_settings" not in sys.modules and "nonebot" not in sys.modules
names = (path.relative_to(home) for path in home.rglob("*") if "__pycache__" not in path.parts)
print("\\n".join(name.as_posix() for name in names if (home / name).is_file()))
"""


def run(*command: object) -> None:
    """Run a command, which must succeed."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


def build(directory: Path) -> Path:
    """Build and check sdist and wheel; return the wheel."""
    run(sys.executable, "-m", "build", "--outdir", directory, ROOT)
    run(sys.executable, "-m", "twine", "check", "--strict", *directory.iterdir())
    (wheel,) = directory.glob("*.whl")
    return wheel


def files_when_installed(wheel: Path, environment: Path) -> set[str]:
    """Install the wheel and nothing else, import it, and return the package's files."""
    venv.create(environment, with_pip=True, clear=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    command = [str(python), "-I", "-W", "error", "-c", IN_THE_CLEAN_ENVIRONMENT]
    imported = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return set(imported.stdout.split())


def description(wheel: Path) -> str:
    """Return the description that an index of packages shows."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = (each for each in files.namelist() if each.endswith(".dist-info/METADATA"))
        payload = message_from_bytes(files.read(name)).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8")


def relative_links(text: str) -> list[str]:
    """Render a description as an index does, and return the links that lead nowhere there."""
    from readme_renderer import markdown

    html = markdown.render(text)
    if html is None:
        raise ValueError("the description cannot be rendered")
    # Each heading links to itself.
    return re.findall(r'(?:href|src)="((?!https?:|mailto:|#user-content-)[^"]*)"', html)


def main(directory: Path) -> int:
    """Return 0 if the description has no relative link, and the installed package every file."""
    wheel = build(directory / "dist")
    if relative := relative_links(description(wheel)):
        print(f"relative links in the description: {', '.join(relative)}")
        return 1
    installed = files_when_installed(wheel, directory / "clean")
    tree = ROOT / PACKAGE
    expected = {path.relative_to(tree).as_posix() for path in tree.rglob("*.py")} | {"py.typed"}
    print(f"{wheel.name}: {len(installed)} files")
    if installed != expected:
        print(f"missing or unexpected: {', '.join(sorted(installed ^ expected))}")
    return int(installed != expected)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
