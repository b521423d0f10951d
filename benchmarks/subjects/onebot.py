"""Bots that do something: they parse each event of OneBot 11, and answer it by an API call.

The log is what it is by default, because it is a part of what a process of NoneBot2 does.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Callable
from typing import Any

from ..control import Control
from ..process import ROOT


def example(port: str, api: str, bots: str) -> None:
    """Run the example of this package."""
    os.environ |= {"PORT": port, "API_ROOT": json.dumps(api_roots(api, bots))}
    runpy.run_path(str(ROOT / "examples" / "onebot_echo.py"), run_name="__main__")


def nonebot2(port: str, api: str, bots: str) -> None:
    """Run NoneBot2 with its adapter and its plugin ``echo``."""
    import nonebot
    from nonebot.adapters.onebot.v11 import Adapter

    roots: dict[str, Any] = {"onebot_api_roots": api_roots(api, bots)}
    nonebot.init(driver="nonebot_aiohttp.nonebot2", port=int(port), **roots)
    nonebot.get_driver().register_adapter(Adapter)
    nonebot.load_builtin_plugin("echo")
    nonebot.run()


def api_roots(port: str, bots: str) -> dict[str, str]:
    """Return the URLs of the platforms' APIs by the ids of the bots."""
    return {str(number): f"http://127.0.0.1:{port}/{number}" for number in range(1, int(bots) + 1)}


ROLES: dict[str, Callable[..., None]] = {"example": example, "nonebot2": nonebot2}

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    Control()
    ROLES[role](*arguments)
