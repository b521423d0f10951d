"""Which drivers tests run on: the lines that NoneBot2 takes as its setting ``DRIVER``."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterable
from typing import Any

STOCK = ("~fastapi+~httpx+~websockets", "~fastapi+~aiohttp")
"""NoneBot2's own drivers, as most bots combine them."""

OURS = "nonebot_aiohttp.nonebot2"
"""The driver of this distribution."""

VARIABLE = "NONEBOT_TEST_DRIVERS"
"""The environment variable that chooses other drivers: their lines, separated by commas."""

OPTION = "nonebot_drivers"
"""The name of pytest's option, and of the setting in pytest's configuration."""


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


def chosen_for_pytest(config: Any) -> str | None:
    """Return the drivers that somebody has chosen for a run of pytest; None if nobody has.

    The command line (``--nonebot-drivers``) comes before the environment variable, and that before
    pytest's configuration. Without the kit's plugin there is only the variable.

    Args:
        config: pytest's, of type ``pytest.Config``.
    """
    option: str | None = config.getoption(OPTION, None) or os.environ.get(VARIABLE)
    with contextlib.suppress(ValueError):  # Without the plugin pytest has no such setting.
        option = option or ",".join(config.getini(OPTION).split())
    return option or None


def is_installed(line: str) -> bool:
    """Tell whether the libraries of NoneBot2's own drivers in a line are installed.

    Parts that are not NoneBot2's own count as installed. Nothing is imported.
    """
    names = (part.lstrip("~") for part in line.split("+") if part.startswith("~"))
    return all(name == "none" or importlib.util.find_spec(name) is not None for name in names)
