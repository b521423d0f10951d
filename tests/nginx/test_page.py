"""What the page says of its own commands and figures."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.nginx.page import FRONT, PAGE, PROCESSES, files, process_of, with_ports, write_files
from tests.nginx.processes import NGINX, Nginx, free_ports
from tests.nginx.site import Site
from tests.support.documents import ROOT, Document
from tests.support.waiting import eventually, within

SERVERS = [f"127.0.0.1:{port}" for port in PROCESSES]
LINE = r"INFO +__main__: Bot (\d+) on port (\d+): hello"

TRIAL = """
set -m
{start}
for port in {ports}; do
    until curl --silent --output /dev/null http://127.0.0.1:$port/; do sleep 0.1; done
done
until curl --silent --output /dev/null http://127.0.0.1:{front}/; do sleep 0.1; done
{events}
echo "client: "$({client})
{kill}
wait %1
{events}
{again}
until curl --silent --output /dev/null http://127.0.0.1:{first}/; do sleep 0.1; done
{events}
{end}
wait
"""

NONEBOT2 = """
set -m
{start}
for port in {ports}; do
    until curl --silent --output /dev/null http://127.0.0.1:$port/; do sleep 0.1; done
done
{client}
{end}
wait
"""


def blocks(marker: str, language: str = "sh") -> str:
    """Return the only block of the page with a text in it."""
    return Document(PAGE).code(language, marker)


async def test_the_trial_is_as_the_page_says(tmp_path: Path) -> None:
    """All its commands in their order."""
    front, *ports = numbers = free_ports(4)
    folder = write_trial(tmp_path, numbers)
    again = "PORT=8081 .venv/bin/python bot.py &\n"
    assert again in [block.code for block in Document(PAGE).blocks]
    script = TRIAL.format(
        start=start_of("PORT=8083 .venv/bin/python bot.py", numbers),
        ports=" ".join(map(str, ports)),
        front=front,
        first=ports[0],
        again=with_ports(again, numbers),
        end=blocks("kill $(jobs -p)"),
        events=with_ports(blocks("curl -i"), numbers),
        client=blocks("client.py 10001").strip(),
        kill=blocks("kill %1"),
    )
    shown = await run(script, folder)
    names = [f"127.0.0.1:{port}" for port in ports]
    found = Counter(re.findall(LINE, shown))
    bots = {bot: process_of(bot, names)[10:] for bot in ("10001", "10002", "10004")}
    down = [bot for bot, port in bots.items() if port == str(ports[0])]
    assert found == {(bot, port): 2 if bot in down else 3 for bot, port in bots.items()}
    assert shown.count("HTTP/1.1 204 No Content") == 9 - len(down)
    assert shown.count("HTTP/1.1 502 Bad Gateway") == len(down)
    first, second = blocks('"pong"', "text").splitlines()
    assert f"client: {first} {second}\n" in shown


async def test_the_trial_with_nonebot2_is_as_the_page_says(tmp_path: Path) -> None:
    _, *ports = numbers = free_ports(4)
    folder = write_trial(tmp_path, numbers)
    script = NONEBOT2.format(
        start=start_of("nonebot2_bot.py", numbers),
        ports=" ".join([*map(str, ports), str(numbers[0])]),
        client=blocks("nonebot2_client.py"),
        end=blocks("kill $(jobs -p)"),
    )
    shown = await run(script, folder)
    page = blocks("10001 send_msg", "text").splitlines()
    assert [line for line in shown.splitlines() if "send_msg" in line] == page[:3]
    assert page[3].endswith("[INFO] nonebot | OneBot V11 | Bot 10004 connected")
    names = [f"127.0.0.1:{port}" for port in ports]
    for bot in ("10001", "10002", "10004"):
        line = rf"^{process_of(bot, names)[10:]}\.log:.* \[INFO\] nonebot \| .*Bot {bot} connected$"
        assert re.search(line, shown, re.MULTILINE)
    found = re.findall(r"^(\d+)\.log:.* Bot (\d+) connected$", "\n".join(page), re.MULTILINE)
    assert found == [(process_of(bot, SERVERS)[10:], bot) for _, bot in found]
    assert len(found) == 3


def write_trial(folder: Path, ports: Sequence[int]) -> Path:
    """Write what the reader has in the directory `bots`."""
    folder = folder / "bots"
    folder.mkdir()
    write_files(folder, ports[0], ports[1:])
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', "utf-8")
    python.chmod(0o755)
    return folder


def start_of(marker: str, ports: Sequence[int]) -> str:
    """Return the commands that start the processes and nginx, with ports that are free."""
    (start,) = (b.code for b in Document(PAGE).blocks if marker in b.code and "nginx -p" in b.code)
    return with_ports(start.replace("/usr/sbin/nginx", str(NGINX)), ports)


async def run(script: str, folder: Path) -> str:
    """Run a script; return its output."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await within(process.communicate(), 60.0)
    except AssertionError:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        await process.wait()
        raise
    return output.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_the_trial_needs_no_root(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        write_files(Path(folder), FRONT, PROCESSES)
        nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
        command = [str(NGINX), "-t", "-p", ".", "-c", "nginx.conf"]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, **nobody)
        assert ran.returncode == 0, ran.stderr


def test_the_lines_of_the_log_on_the_page_are_right() -> None:
    found = re.findall(LINE, blocks("Bot 10001 on", "text"))
    assert [bot for bot, _ in found] == re.findall(r"X-Self-ID: (\d+)", blocks("curl -i"))
    assert found == [(bot, process_of(bot, SERVERS)[10:]) for bot, _ in found]
    assert dict(found)["10004"] == str(PROCESSES[0])
    (line,) = blocks("127.0.0.1:8082 0.002", "text").splitlines()
    assert process_of(line.split()[-1], SERVERS) == line.split()[-3]


def test_the_bots_are_spread_as_the_page_says() -> None:
    for count, shares in ((30, "8, 9 and 13"), (3000, "1,040, 913 and 1,047")):
        counted = Counter(process_of(str(10_001 + n), SERVERS) for n in range(count))
        assert shares == "{:,}, {:,} and {:,}".format(*(counted[name] for name in SERVERS))
        assert shares in " ".join(PAGE.read_text("utf-8").split())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for name in ("bot@.socket", "bot@.service"):
        text = files()[name].replace("/srv/bot/.venv/bin/python", sys.executable)
        for number in (1, 3):
            (tmp_path / name.replace("@", f"@{number}")).write_text(text, "utf-8")
    names = sorted(f"./{path.name}" for path in tmp_path.iterdir())
    ran = subprocess.run(
        ["systemd-analyze", "verify", *names], cwd=tmp_path, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@pytest.mark.parametrize("broken", [False, True], ids=["all come back", "one does not"])
async def test_the_script_restarts_one_after_the_other(tmp_path: Path, broken: bool) -> None:
    front, *ports = free_ports(4)
    write_files(tmp_path, front, ports)
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port}; return 404; }}\n"
        for port in (ports[:1] + ports[2:] if broken else ports)
    )
    (tmp_path / "bots.conf").write_text(servers, "utf-8")
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "systemctl $*"\n', "utf-8")
    systemctl.chmod(0o755)
    # The script puts the number behind 808; here it is looked up.
    listed = " ".join(map(str, ports))
    code = files()["restart.sh"].replace("808$i", f"$(set {listed}; eval echo \\$$i)")
    (tmp_path / "restart.sh").write_text(code, "utf-8")
    nginx = Nginx(tmp_path, ports[0])
    try:
        await nginx.started()
        process = await asyncio.create_subprocess_exec(
            *("sh", "restart.sh"),
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await within(process.communicate())
    finally:
        nginx.stop()
    first, *rest = blocks("bot@1 is back", "text").splitlines()
    lines = ["systemctl restart bot@1", first, "systemctl restart bot@2"]
    if not broken:
        lines += [rest[0], "systemctl restart bot@3", rest[1]]
    assert (process.returncode, output.decode().splitlines()) == (int(broken), lines)


async def test_the_access_log_is_as_the_page_shows_it(
    make_site: Callable[..., Site], tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    site = make_site()
    configuration = tmp_path / "bots.conf"
    line = blocks("access_log /var", "nginx").replace("/var/log/nginx/bots.log", "bots.log")
    text = configuration.read_text("utf-8").replace("access_log off;", line)
    configuration.write_text(blocks("log_format", "nginx") + text, "utf-8")
    await site.start()
    assert await site.post(client, "10001", "hello") == 204
    log = tmp_path / "bots.log"
    await eventually(lambda: log.read_text("utf-8"), what="the access log")
    shown = re.sub(r"\d", "0", blocks("127.0.0.1:8082 0.002", "text"))
    written = re.sub(r":\d{5} ", ":8082 ", log.read_text("utf-8"))
    assert re.sub(r"\d", "0", re.sub(r"/\w{3}/", "/Nov/", written)) == shown
    await site.stop()


def test_nginx_accepts_the_servers_of_several_machines(tmp_path: Path) -> None:
    write_files(tmp_path, FRONT, PROCESSES)
    configuration = tmp_path / "bots.conf"
    text = configuration.read_text("utf-8")
    changed = re.sub(
        r"^upstream .*?^\}\n", blocks("192.0.2.2:8081", "nginx"), text, flags=re.M | re.S
    )
    assert changed != text
    configuration.write_text(changed, "utf-8")
    ran = subprocess.run(
        [str(NGINX), "-t", "-p", ".", "-c", "nginx.conf"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_files_that_the_commands_copy_are_on_the_page() -> None:
    copied = re.findall(r"^sudo cp (.+) \S+$", blocks("useradd"), re.MULTILINE)
    assert {name for names in copied for name in names.split()} <= set(files())
    assert subprocess.run(["bash", "-n", "-c", blocks("useradd")]).returncode == 0
