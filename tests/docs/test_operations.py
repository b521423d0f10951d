"""The page for operators: its bot shows what the page says, to whom it says, wherever it runs."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import get_args, get_type_hints

import aiohttp
import pytest
import yaml

from nonebot_aiohttp.connections.calls import MOST_HOSTS
from nonebot_aiohttp.connections.records import MOST_GONE
from nonebot_aiohttp.hosts.systemd import OPERATIONS
from nonebot_aiohttp.operations import Status
from nonebot_aiohttp.operations.page.bots import ROWS
from nonebot_aiohttp.operations.page.response import REFRESH
from nonebot_aiohttp.reverse.gate import MOST_REASONS
from nonebot_aiohttp.settings.driver import SHORTEST_TOKEN
from tests.docs.commands import Command, needs_program, plain_environment, program
from tests.docs.deployed import FILES, Nginx
from tests.docs.operated import OPERATORS, PAGE, TOKEN, as_operator, connected, shown, write_files
from tests.docs.trying import needs_curl
from tests.process.programs import PATIENCE, ROOT
from tests.support.certs import Tls
from tests.support.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its commands are for a shell")


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def output_of(command: str) -> str:
    """Return the block of text that follows the block with a command."""
    blocks = PAGE.blocks
    (place,) = (n for n, b in enumerate(blocks) if b.language == "sh" and command in b.code)
    following = blocks[place + 1]
    assert following.language == "text"
    return following.code


def pattern_of(text: str) -> str:
    """Make a pattern of an output in which times may be others."""
    return re.sub(r"\d{10}(\\\.\d+)?", r"\\d{10}(\\.\\d+)?", re.escape(text))


def test_the_log_names_both_ports_as_shown() -> None:
    operators, public = PAGE.code("text", "operations.listener").splitlines()
    assert re.search(OPERATORS, operators)
    assert "AIOHTTP_OPS_PORT=9100" in PAGE.files[".env"]
    assert "PORT=8080" in PAGE.files[".env"]
    assert "nonebot_aiohttp.hosts.server: Listening on" in public


@needs_curl
async def test_each_command_prints_what_is_shown(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with shown(tmp_path) as there, connected(client, there):
        for command in ("/livez", "bots=12345,67890", "9100/status\n"):
            code = PAGE.code("sh", command)
            expected = output_of(command).strip()
            assert (await asyncio.to_thread(there.run, code)).strip() == expected
        code, pattern, text = PAGE.code("sh", "json.tool"), pattern_of(output_of("json.tool")), ""
        # When a bot's last message came is seen once a second.
        for _ in range(50):
            text = await asyncio.to_thread(there.run, code)
            if re.search(pattern, text):
                break
        assert re.search(pattern, text), text


@needs_curl
async def test_curl_takes_the_header_from_a_file(tmp_path: Path) -> None:
    (words,) = re.findall(r"`(curl -H @\S+)`", PAGE.prose)
    header = tmp_path / words.partition("@")[2]
    async with shown(tmp_path) as there:
        assert "show aiohttp_ops_token" in await asyncio.to_thread(
            there.run, f"curl {there.url}/status"
        )
        header.write_text(f"Authorization: Bearer {TOKEN}\n", "utf-8")
        command = f"{words} -s {there.url}/status"
        assert "running" in await asyncio.to_thread(there.run, command)


@needs_curl
async def test_a_monitor_learns_whether_a_bot_is_there(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    code = PAGE.code("sh", "-fsS")
    async with shown(tmp_path) as there:
        assert "bot 12345 is not there\n" in await asyncio.to_thread(there.run, code)
        async with connected(client, there):
            assert await asyncio.to_thread(there.run, code) == ""


async def test_each_path_answers_as_the_table_says(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    rows = PAGE.table("path")
    assert len(rows) == 6
    async with shown(tmp_path) as there, connected(client, there):
        for cell, token, _ in rows:
            url = there.url + cell.strip("`").replace(",67890", "")
            for headers in ({}, as_operator()):
                async with client.get(url, headers=headers) as got:
                    expected = 401 if token == "yes" and not headers else 200
                    assert got.status == expected, url


async def test_only_those_get_in_whom_the_page_names(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    assert f"A token has {SHORTEST_TOKEN} characters or more" in PAGE.prose
    async with shown(tmp_path) as there:
        for host, status in {
            "localhost:9100": 200,
            "10.0.0.7": 200,
            "status.example.org": 421,
        }.items():
            headers = {"Host": host, **as_operator()}
            async with client.get(f"{there.url}/status", headers=headers) as got:
                assert got.status == status, host
        async with client.post(f"{there.url}/status", headers=as_operator()) as got:
            assert got.status == 405
        async with client.get(f"{there.url}/", headers=as_operator("another")) as got:
            assert got.status == 401
        await there.bot.shows("Refused a request of operators")
        async with client.get(
            f"http://127.0.0.1:{there.port}/status", headers=as_operator()
        ) as got:
            assert got.status in (404, 405)


async def test_without_a_token_only_the_health_checks_exist(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with shown(tmp_path, aiohttp_ops_token="none") as there:
        for cell, token, _ in PAGE.table("path"):
            async with client.get(there.url + cell.strip("`"), headers=as_operator()) as got:
                assert got.status == (404 if token == "yes" else 200)


async def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    (text,) = re.findall(r"`(Cannot listen on .*?)`", PAGE.prose)
    async with shown(tmp_path) as there:
        with Command(tmp_path, [sys.executable, "bot.py"], HOST="127.0.0.1", PORT="0") as second:
            assert await second.ended() == 1
            assert text.replace("9100", str(there.ops_port)) in second.output


@needs_program("nginx", "-v")
@pytest.mark.parametrize("path", ["/", "/ops/"])
async def test_nginx_gives_it_a_name(
    tmp_path: Path, client: aiohttp.ClientSession, tls: Tls, path: str
) -> None:
    (setting,) = re.findall(r"^AIOHTTP_OPS_NAMES=(.+)$", PAGE.text, re.MULTILINE)
    assert json.loads(setting) == ["status.example.org"]
    async with shown(tmp_path, aiohttp_ops_names=setting) as there:
        text = PAGE.files["operations.conf"]
        if path != "/":
            for words in (f"location {path} {{", "proxy_pass http://127.0.0.1:9100/;"):
                assert f"`{words}`" in PAGE.prose
            text = text.replace("location /", f"location {path}").replace("9100;", "9100/;")
        text = text.replace("9100", str(there.ops_port))
        nginx = Nginx(tmp_path, tls, f"127.0.0.1:{there.port}", text)
        async with nginx.serving():
            for name, status in {"status.example.org": 200, "127.0.0.1": 404}.items():
                url, headers = nginx.url(f"{path}livez"), {"Host": name}
                async with client.get(url, headers=headers, ssl=tls.client) as got:
                    assert got.status == status, name
            headers = {"Host": "status.example.org", **as_operator()}
            async with client.get(nginx.url(path), headers=headers, ssl=tls.client) as got:
                assert got.status == 200
                links = re.findall(r'href="([^"]*)"', await got.text())
                assert links
                assert all(link.startswith(("?", "#")) for link in links)


async def test_a_site_has_it_below_a_path(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    write_files(tmp_path)
    name, port = "site_with_operations.py", str(free_port())
    text = PAGE.files[name]
    (tmp_path / name).write_text(text.replace("8080", port), "utf-8")
    with Command(tmp_path, [sys.executable, name]) as site:
        await site.shows("Running on")
        headers: dict[str, str]
        for path, headers, status in (
            ("/ops/livez", {}, 200),
            ("/ops/", {}, 401),
            ("/ops/", as_operator(), 200),
            ("/ops/status", as_operator(), 200),
        ):
            async with client.get(f"http://127.0.0.1:{port}{path}", headers=headers) as got:
                assert got.status == status, path


UNDER_NONEBOT2 = """
import nonebot
nonebot.init(_env_file=None, driver="nonebot_aiohttp.nonebot2")
from block import bot_status
print(sorted(bot_status()["versions"]), nonebot.get_driver().operations)
"""


@pytest.mark.skipif(find_spec("nonebot") is None, reason="needs NoneBot2")
def test_nonebots_driver_has_both(tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(PAGE.code("python", "bot_status"), "utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", UNDER_NONEBOT2],
        cwd=tmp_path,
        env=plain_environment(tmp_path),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert "'nonebot2'" in ran.stdout, ran.stderr
    assert "Application" in ran.stdout


async def test_workers_of_gunicorn_share_the_range(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    assert "AIOHTTP_OPS_PORT=9100-9103\n" in PAGE.text
    first = free_port()
    write_files(tmp_path, aiohttp_ops_port=f"{first}-{first + 9}")
    words = PAGE.code("sh", "gunicorn").split()
    words[words.index("127.0.0.1:8080")] = "127.0.0.1:0"
    with Command(tmp_path, [sys.executable, "-m", *words]) as workers:
        await workers.shows(rf"(?s)({OPERATORS}.*){{2}}")
        ports = set(re.findall(OPERATORS, workers.output))
        assert len(ports) == 2
        for port in ports:
            async with client.get(f"http://127.0.0.1:{port}/livez") as got:
                assert got.status == 200
        workers.stop()
        assert await workers.ended() == 0
    shown_lines = PAGE.code("text", "Listening for operators on http://127.0.0.1:9101").splitlines()
    assert all(re.fullmatch(OPERATORS, line) for line in shown_lines)


@needs_program("systemd-analyze", "--version")
def test_systemd_accepts_the_socket(tmp_path: Path) -> None:
    text = FILES["bot.service"].replace("/srv/bot/.venv/bin/python", sys.executable)
    (tmp_path / "bot.service").write_text(text.replace("User=bot", "User=root"), "utf-8")
    unit = tmp_path / "bot-operations.socket"
    unit.write_text(PAGE.files[unit.name], "utf-8")
    path = program("systemd-analyze")
    assert path is not None
    ran = subprocess.run([path, "verify", str(unit)], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


@needs_program("systemd-socket-activate", "--version")
async def test_a_socket_of_systemd_takes_the_place_of_the_port(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    assert f"FileDescriptorName={OPERATIONS}\n" in PAGE.files["bot-operations.socket"]
    write_files(tmp_path, host="127.0.0.1", port="0")
    port = free_port()
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname", OPERATIONS]
    activate += ["-E", f"PYTHONPATH={ROOT}", sys.executable, "bot.py"]
    with Command(tmp_path, activate) as bot:
        # Whoever asks first starts it, and waits for the answer.
        await bot.shows("Listening on")
        async with client.get(f"http://127.0.0.1:{port}/readyz") as got:
            assert await got.text() in ("ok\n", "starting\n")
        await bot.shows(f"Listening for operators on http://127.0.0.1:{port}")


async def test_the_health_check_of_docker_tells_up_from_down(tmp_path: Path) -> None:
    service = yaml.safe_load(PAGE.files["compose.override.yaml"])["services"]["bot"]
    assert service["ports"] == ["127.0.0.1:9100:9100"]
    kind, python, *arguments = service["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")

    def check(port: int) -> int:
        words = [each.replace("9100", str(port)) for each in arguments]
        return subprocess.run([sys.executable, *words], stderr=subprocess.DEVNULL).returncode

    async with shown(tmp_path) as there:
        assert await asyncio.to_thread(check, there.ops_port) == 0
    assert check(there.ops_port) == 1


async def test_the_probes_of_kubernetes_are_answered(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    probes = yaml.safe_load(PAGE.files["deployment.yaml"])
    async with shown(tmp_path, aiohttp_ops_host="0.0.0.0") as there:
        for probe in probes.values():
            assert probe["httpGet"]["port"] == 9100
            # The kubelet asks by the address of the pod.
            url, headers = there.url + probe["httpGet"]["path"], {"Host": "10.244.0.7:9100"}
            async with client.get(url, headers=headers) as got:
                assert got.status == 200


def test_the_report_is_that_of_the_page(tmp_path: Path) -> None:
    write_files(tmp_path)
    ran = subprocess.run(
        [sys.executable, "report.py"],
        cwd=tmp_path,
        env=plain_environment(tmp_path),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert ran.stdout == output_of("report.py"), ran.stderr


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("at most", MOST_GONE),
        ("then `other`): `ok`", MOST_HOSTS),
        ("reasons, then `other`", MOST_REASONS),
        ("bots at a time", ROWS),
    ],
)
def test_the_limits_are_those_of_the_package(text: str, number: int) -> None:
    (line,) = (line for line in PAGE.prose.splitlines() if text in line and re.search(r"\d", line))
    assert str(number) in re.findall(r"\d+", line)


def test_the_page_is_loaded_again_as_often_as_is_said() -> None:
    assert REFRESH == 10
    assert "The page loads itself again every ten seconds." in PAGE.prose


def test_the_table_has_all_fields_of_the_status() -> None:
    rows = {row[0].strip("`"): row[1] for row in PAGE.table("field")}
    assert list(rows) == [field.name for field in fields(Status)]
    for name, kind in get_type_hints(Status).items():
        for part in filter(lambda each: isinstance(each, type), get_args(kind)):
            if hasattr(part, "__dataclass_fields__"):
                named = set(re.findall(r"`(\w+)`", rows[name]))
                assert {field.name for field in fields(part)} <= named, name
