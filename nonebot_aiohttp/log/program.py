"""Whether the program that Python runs has called this package, and not a module that it imports.

Only such a program may end with ``run()``. Another module may belong to a host, or to a test.
"""

from __future__ import annotations

import sys
from types import FrameType

_MAKERS = frozenset({"nonebot_aiohttp", "nonebot"})
"""Packages through which a program makes its driver."""


def program_frame() -> FrameType | None:
    """Find the frame that has called this package, or NoneBot; None if it is not the program's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and module_name(frame).partition(".")[0] in _MAKERS:
        frame = frame.f_back
    return frame if frame is not None and _is_program(frame) else None


def module_name(frame: FrameType) -> str:
    """Return the name of the module whose code runs in a frame."""
    return str(frame.f_globals.get("__name__", ""))


def _is_program(frame: FrameType) -> bool:
    """Tell whether a frame is of the program that Python runs, and not of an interactive one."""
    is_interactive = sys.flags.interactive or hasattr(sys, "ps1")
    # An interactive Python, Jupyter and `python -c` run no file.
    has_file = "__file__" in frame.f_globals
    return module_name(frame) == "__main__" and has_file and not is_interactive
