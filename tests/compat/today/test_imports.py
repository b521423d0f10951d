"""Which modules this face imports from the ``DRIVER`` line to a driver that runs."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import nonebot_aiohttp.nonebot2

from ..support.choice import OURS

STARTED = """
import asyncio, sys
import nonebot

async def live():
    async with driver.lifespan():
        assert driver.asgi and driver.server_app is not None

nonebot.init(driver=sys.argv[1])
driver = nonebot.get_driver()
asyncio.run(live())
"""
COMBINED = "import nonebot, sys; nonebot.init(driver=sys.argv[1]); nonebot.get_driver()"
ANOTHER, EXTRA = "a16", "plugins_app"
"""The modules for another NoneBot, and for an extra."""

FACE = [
    f"{OURS}.{found.name}"
    for found in pkgutil.iter_modules(nonebot_aiohttp.nonebot2.__path__)
    if found.name not in (ANOTHER, EXTRA)
]
MODULES = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [(STARTED, [OURS]), (COMBINED, [f"~none+{OURS}"]), (MODULES, FACE)],
    ids=["driver", "mixin", "modules"],
)
def test_no_pydantic_settings_and_no_server(
    tmp_path: Path, code: str, arguments: list[str]
) -> None:
    """Neither pydantic-settings nor a stock server is needed by a bot with our driver."""
    code += "\nprint(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = set(ran.stdout.split("\n")[-2].split())
    assert "nonebot_aiohttp" in found
    assert not found & {"pydantic_settings", "fastapi", "uvicorn", "httpx", "websockets"}
