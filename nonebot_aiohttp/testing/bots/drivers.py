"""Which drivers tests run on: the lines that NoneBot2 takes as its setting ``DRIVER``."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

STOCK = ("~fastapi+~httpx+~websockets", "~fastapi+~aiohttp")
"""NoneBot2's own drivers, as most bots combine them."""

OURS = "nonebot_aiohttp.nonebot2"
"""The driver of this distribution."""

VARIABLE = "NONEBOT_TEST_DRIVERS"
"""The environment variable that chooses other drivers: their lines, separated by commas."""


OPTION = "nonebot_drivers"
"""The name of the option and of the setting in pytest's configuration, where the plugin is."""


def chosen_in(config: pytest.Config) -> str | None:
    """Return the drivers that somebody has chosen, by the command line before all others."""
    chosen = config.getoption(OPTION, None) or os.environ.get(VARIABLE)
    if chosen:
        return str(chosen)
    try:
        return ",".join(config.getini(OPTION).split()) or None
    except ValueError:  # A project may have the suites without the plugin.
        return None


def drivers_to_test(chosen: str | Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the lines of the drivers that tests run on.

    Args:
        chosen: Lines, in a list or in a text with commas between them; ``stock`` and ``ours`` are
            `STOCK` and `OURS`. None takes them from the environment variable
            ``NONEBOT_TEST_DRIVERS``; where that is empty too, it is `STOCK`, as far as what these
            need is installed, and `OURS`.

    Raises:
        ValueError: Nothing but commas was chosen.
    """
    if chosen is None:
        chosen = os.environ.get(VARIABLE) or None
    if chosen is None:
        return (*(line for line in STOCK if is_installed(line)), OURS)
    parts = chosen.split(",") if isinstance(chosen, str) else chosen
    groups = {"stock": STOCK, "ours": (OURS,)}
    lines = [
        line for part in map(str.strip, parts) if part for line in groups.get(part.lower(), (part,))
    ]
    if not lines:
        raise ValueError(
            f"no driver is chosen: write DRIVER lines with commas between them, such as"
            f" {VARIABLE}={STOCK[0]},{OURS}"
        )
    return tuple(dict.fromkeys(lines))


def is_installed(line: str) -> bool:
    """Tell whether the libraries of NoneBot2's own drivers in a line are installed.

    Parts that are not NoneBot2's own count as installed. Nothing is imported.
    """
    names = (part.lstrip("~") for part in line.split("+") if part.startswith("~"))
    return all(name == "none" or importlib.util.find_spec(name) is not None for name in names)
