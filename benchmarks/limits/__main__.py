"""Runs all programs of this package with their defaults, one after the other."""

from __future__ import annotations

import sys
from functools import partial

from . import __doc__ as summary
from . import crowd, fairness, flood, strangers
from .report import Program, make_parser, run_programs


def main() -> int:
    """Run the command line; return the exit status."""
    json_file = make_parser("limits", summary).parse_args().json
    programs: dict[str, Program] = {
        "crowd": partial(crowd.measure, crowd.Options()),
        "flood": partial(flood.measure, flood.Options()),
        **fairness.programs(fairness.Options()),
        **strangers.programs(strangers.Options()),
    }
    return run_programs(programs, json_file)


if __name__ == "__main__":
    sys.exit(main())
