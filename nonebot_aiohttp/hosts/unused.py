"""A driver that a program makes and never runs: one line when the program ends.

Otherwise a bot whose last line is missing ends with exit code 0, and without a word.
"""

from __future__ import annotations

import atexit
import dis
import os
from types import FrameType

from ..log.own import logger
from ..log.program import module_name, program_frame


class Use:
    """Whether a driver was run, or given to a host; it matters where ``__main__`` has made it.

    A driver that another module has made may belong to a host that imports it, such as gunicorn.
    """

    def __init__(self, advice: str) -> None:
        """Note where the driver is made; ``advice`` says how it is run."""
        self._advice = advice
        self._process = os.getpid()
        self._program: FrameType | None = None
        self._place = ""
        caller = program_frame()
        if caller is None:
            return
        path = str(caller.f_globals["__file__"])
        self._place = f"{os.path.basename(path)}:{caller.f_lineno}"
        self._program = _module_of(caller)
        atexit.register(self._report)

    def begin(self) -> None:
        """Note that the driver is run, or given to a host."""
        if self._program is not None:
            self._program = None
            atexit.unregister(self._report)

    def _report(self) -> None:
        # A forked child has the parent's drivers, too.
        if self._program is not None and os.getpid() == self._process and _has_ended(self._program):
            logger.warning(
                "The driver that was made at {} has never run: {}", self._place, self._advice
            )


def _module_of(frame: FrameType) -> FrameType:
    """Find the frame in which the program's module runs."""
    found, each = frame, frame.f_back
    while each is not None:
        if module_name(each) == "__main__":
            found = each
        each = each.f_back
    return found


def _has_ended(module: FrameType) -> bool:
    """Tell whether a module was run to its end; an error or ``sys.exit()`` speaks for itself."""
    return dis.opname[module.f_code.co_code[module.f_lasti]].startswith("RETURN_")
