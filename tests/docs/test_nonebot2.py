"""The page on NoneBot2: its tables say what is tested. ``tests/compat`` runs what it shows."""

from __future__ import annotations

import ast
import configparser
import re

from tests.support.documents import ROOT, Document

PAGE = Document(ROOT / "docs" / "nonebot2.md")
DISTRIBUTIONS = {
    "Discord": "nonebot-adapter-discord",
    "Feishu": "nonebot-adapter-feishu",
    "GitHub": "nonebot-adapter-github",
    "KOOK (Kaiheila)": "nonebot-adapter-kaiheila",
    "Milky": "nonebot-adapter-milky",
    "OneBot v11": "nonebot-adapter-onebot",
    "OneBot v12": "nonebot-adapter-onebot",
    "QQ": "nonebot-adapter-qq",
    "Satori": "nonebot-adapter-satori",
    "Telegram": "nonebot-adapter-telegram",
    "cqhttp": "nonebot-adapter-cqhttp",
}


def pinned() -> dict[str, set[str]]:
    """Return the versions of each distribution that tox's environments test."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    versions: dict[str, set[str]] = {}
    for name in tox.sections():
        for found in re.finditer(r"^([\w.-]+)(?:\[.*\])?==(\S+)$", tox[name].get("deps", ""), re.M):
            versions.setdefault(found[1], set()).add(found[2])
    return versions


def test_the_adapters_are_tested_in_the_versions_of_the_table() -> None:
    rows, versions = PAGE.table("adapter"), pinned()
    assert {row[0] for row in rows} == set(DISTRIBUTIONS)
    for adapter, version, nonebot, _ in rows:
        assert set(version.split(", ")) == versions[DISTRIBUTIONS[adapter]]
        assert set(nonebot.split(", ")) <= versions["nonebot2"]


def test_the_consoles_are_tested_in_the_versions_of_the_text() -> None:
    found = dict(re.findall(r"`(nonebot-plugin-[\w-]+)`\s+(\d[\d.]*\d)", PAGE.prose))
    assert len(found) == 2
    versions = pinned()
    assert {name: {version} for name, version in found.items()} == {
        name: versions[name] for name in found
    }


def test_the_settings_of_nonebots_fastapi_are_those_that_are_read() -> None:
    source = (ROOT / "nonebot_aiohttp" / "nonebot2" / "plugins_app.py").read_text("utf-8")
    fields = (
        node.target for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AnnAssign)
    )
    read = {name for name in map(ast.unparse, fields) if name.startswith("fastapi_")}
    assert set(re.findall(r"`(fastapi_\w+)`", PAGE.prose)) == read
