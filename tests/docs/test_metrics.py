"""The page on metrics: its bot shows them, and its files are what Prometheus reads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.docs.commands import Command, needs_program
from tests.docs.deployed import port_of
from tests.docs.trying import needs_curl
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port

PAGE = Document(ROOT / "docs" / "metrics.md")
TOKEN = "a-long-random-text"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def write_bot(directory: Path) -> dict[str, str]:
    """Write the page's files with free ports; return these by those of the page."""
    PAGE.write_files(directory)
    ports = {port: str(free_port()) for port in ("9100", "8000")}
    for name in (".env", "bot.py"):
        text = (directory / name).read_text("utf-8")
        for port, free in ports.items():
            text = text.replace(port, free)
        (directory / name).write_text(text, "utf-8")
    return ports


def run(command: str) -> str:
    """Run a command of the page."""
    ran = subprocess.run(
        ["sh", "-c", command], capture_output=True, encoding="utf-8", check=True, timeout=30
    )
    return ran.stdout


@needs_curl
@pytest.mark.skipif(sys.platform == "win32", reason="the commands of the page are for a shell")
async def test_the_bot_of_the_page_shows_its_metrics(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    ports = write_bot(tmp_path)
    curl = PAGE.code("sh", "curl").replace("9100", ports["9100"])
    with Command(tmp_path, [sys.executable, "bot.py"], HOST="127.0.0.1", PORT="0") as bot:
        url = f"ws://127.0.0.1:{await port_of(bot)}/my/ws"
        async with client.ws_connect(url, headers={"X-Self-ID": "12345"}):
            await bot.shows("connected")
            shown = run(curl)
            assert PAGE.code("text", "bots_connected") in shown
            assert "12345" not in shown
            single = run(curl.replace("/metrics", "/metrics?bots=1"))
            assert 'nonebot_aiohttp_bot_messages{adapter="my",bot="12345"' in single
        async with client.get(f"http://127.0.0.1:{ports['9100']}/metrics") as response:
            assert response.status == 401
        exporter = f"http://127.0.0.1:{ports['8000']}/metrics?bots=1"
        async with client.get(exporter) as response:
            text = await response.text()
        assert 'nonebot_aiohttp_bots_connected{adapter="my",driver="1"} 0.0' in text
        assert "12345" not in text
        assert "python_info" in text
        bot.stop()
        assert await bot.ended() == 0


def read(name: str) -> dict[str, Any]:
    found = yaml.safe_load(PAGE.files[name])
    assert isinstance(found, dict)
    return found


def test_the_configuration_reads_the_rules_and_shows_the_token() -> None:
    configuration = read("prometheus.yml")
    assert configuration["rule_files"] == ["bot.rules.yml"]
    (job,) = configuration["scrape_configs"]
    assert job["job_name"] == "bot"
    assert job["authorization"] == {"credentials_file": "bot.token"}
    (targets,) = job["static_configs"]
    assert targets["targets"] == ["127.0.0.1:9100"]


def test_each_rule_has_an_expression_and_a_summary() -> None:
    (group,) = read("bot.rules.yml")["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names)) >= 8
    for rule in group["rules"]:
        assert (
            {"alert", "expr", "annotations"}
            <= set(rule)
            <= {
                "alert",
                "expr",
                "for",
                "annotations",
            }
        )
        assert rule["annotations"]["summary"]


@needs_program("promtool", "--version")
def test_prometheus_takes_the_files(tmp_path: Path) -> None:
    PAGE.write_files(tmp_path)
    (tmp_path / "bot.token").write_text(TOKEN, "utf-8")
    command = ["promtool", "check", "config", "prometheus.yml"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stdout + ran.stderr
