"""Which process has the connections that the bots open themselves."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.nginx.page import files
from tests.nginx.processes import BotProcess, free_ports
from tests.support.documents import ROOT
from tests.support.waiting import eventually

EXAMPLE = str(ROOT / "examples/onebot_echo.py")
LIFECYCLE = {
    "time": 1_700_000_000,
    "self_id": 10001,
    "post_type": "meta_event",
    "meta_event_type": "lifecycle",
    "sub_type": "connect",
}


@dataclass
class Platform:
    """Counts its WebSockets by their paths; each path is a bot."""

    port: int = 0
    connected: Counter[str] = field(default_factory=Counter)

    def url(self, bot: int) -> str:
        return f"ws://127.0.0.1:{self.port}/{bot}"

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        self.connected[request.path[1:]] += 1
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await websocket.send_json({**LIFECYCLE, "self_id": int(request.path[1:])})
        async for _ in websocket:
            pass
        return websocket


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    """Give a platform that bots connect to."""
    platform, app = Platform(), web.Application()
    app.router.add_get("/{bot}", platform.accept)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    platform.port = runner.addresses[0][1]
    yield platform
    await runner.cleanup()


@asynccontextmanager
async def processes(
    folder: Path, program: str, settings: dict[str, dict[str, str]]
) -> AsyncIterator[list[BotProcess]]:
    """Run three processes, with the settings in their files, until all have started."""
    for name, values in settings.items():
        lines = [f"{key}={value}\n" for key, value in values.items()]
        (folder / name).write_text("".join(lines), "utf-8")
    made = [
        BotProcess(folder, port, program, False, {"ENVIRONMENT": str(number)})
        for number, port in enumerate(free_ports(3), 1)
    ]
    for process in made:
        process.start()
    try:
        await asyncio.gather(*(process.started() for process in made))
        yield made
        for process in made:
            await process.stop()
    finally:
        for process in made:
            process.close()


def setting(name: str) -> dict[str, str]:
    """Read a file of settings on the page."""
    return dict(line.split("=", 1) for line in files()[name].splitlines())


def connected(process: BotProcess) -> set[str]:
    """Return the bots that a process says are connected."""
    return set(re.findall(r"[Bb]ot (\d+)\b.* connected", re.sub(r"\x1b\[\d+m", "", process.log)))


async def test_one_process_has_all_forward_connections(tmp_path: Path, there: Platform) -> None:
    urls = json.dumps({str(bot): there.url(bot) for bot in (1, 2, 3)})
    given = {".env": {**setting(".env"), "WS_URLS": urls}, ".env.1": setting(".env.1")}
    async with processes(tmp_path, EXAMPLE, given):
        await eventually(lambda: len(there.connected) == 3, what="the connections")
    assert there.connected == {"1": 1, "2": 1, "3": 1}


async def test_each_process_has_its_own_forward_connections(
    tmp_path: Path, there: Platform
) -> None:
    given = {
        f".env.{number}": {"WS_URLS": json.dumps({str(number): there.url(number)})}
        for number in (1, 2, 3)
    }
    async with processes(tmp_path, EXAMPLE, given):
        await eventually(lambda: len(there.connected) == 3, what="the connections")
    assert there.connected == {"1": 1, "2": 1, "3": 1}


async def test_without_a_setting_each_process_opens_all(tmp_path: Path, there: Platform) -> None:
    urls = json.dumps({"1": there.url(1)})
    async with processes(tmp_path, EXAMPLE, {".env": {"WS_URLS": urls}}):
        await eventually(lambda: there.connected["1"] >= 3, what="the connections")


async def test_under_nonebot2_a_file_of_one_process_names_them(
    tmp_path: Path, there: Platform
) -> None:
    (tmp_path / "bot.py").write_text(files()["nonebot2_bot.py"], "utf-8")
    common = {"DRIVER": "nonebot_aiohttp.nonebot2", **setting(".env")}
    own = {"ONEBOT_WS_URLS": json.dumps([there.url(1)])}
    async with processes(tmp_path, "bot.py", {".env": common, ".env.2": own}) as made:
        await eventually(lambda: there.connected["1"] >= 1, what="the connection")
        first, second, third = made
        await eventually(lambda: connected(second) == {"1"}, what="the line in the log")
    assert there.connected == {"1": 1}
    assert connected(first) == connected(third) == set()
