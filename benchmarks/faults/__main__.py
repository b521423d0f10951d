"""The command line: ``python -m benchmarks.faults``; fails when anything was lost or mixed up."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

from loguru import logger

from benchmarks.faults.report import format_restarts, format_walk
from benchmarks.faults.restart import RestartOutcome, restart
from benchmarks.faults.walk import Outcome, walk
from benchmarks.neighbours import Neighbours
from benchmarks.results import describe_machine
from benchmarks.settings import Settings
from benchmarks.table import format_machine
from nonebot_aiohttp.hosts.process import loop_factory

SEEDS = 1 << 32
PARTS = ("walk", "restart")
JSON_FILE = Path("faults.json")
"""Where the figures go unless the command line says otherwise."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; or both")
    add("--seed", type=int, help="repeat the choices of another run; else it is drawn")
    add("--seconds", type=float, default=60.0, help="how long the walk lasts at most")
    add("--cycles", type=int, help="how many faults it makes at most")
    add("--walkers", type=int, default=10, help="how many peers go each of the four ways")
    add("--virtual", action="store_true", help="delays between attempts take no time")
    add("--restarts", type=int, default=10, help="how often the process is restarted")
    add("--clients", type=int, default=16, help="how many send events meanwhile")
    add("--loop", choices=("auto", "uvloop", "asyncio"), default="auto")
    add("--verbose", action="store_true", help="show the driver's log")
    add("--json", type=Path, default=JSON_FILE, help="file for the figures")
    return parser


def run_walk(options: argparse.Namespace) -> Outcome:
    """Walk on a new event loop."""
    walking = walk(
        options.seed,
        options.cycles,
        seconds=options.seconds,
        virtual=options.virtual,
        walkers=options.walkers,
    )
    loop = loop_factory(options.loop)()
    try:
        return loop.run_until_complete(walking)
    finally:
        loop.close()


def run_restarts(options: argparse.Namespace) -> RestartOutcome:
    """Restart a process; the clients run on asyncio's loop, the process on the one asked for."""
    return asyncio.run(
        restart(options.seed, options.restarts, clients=options.clients, loop=options.loop)
    )


def main() -> int:
    """Run the command line; return the exit status."""
    parser = make_parser()
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if options.seed is None:
        options.seed = random.randrange(SEEDS)
    if not options.verbose:
        logger.remove()
    neighbours = Neighbours()
    figures: dict[str, Any] = {"seed": options.seed, "loop": options.loop}
    parts = options.parts or PARTS
    print(f"seed {options.seed}", flush=True)
    problems: list[str] = []
    if "walk" in parts:
        walked = run_walk(options)
        print(format_walk(walked), flush=True)
        figures["walk"] = vars(walked)
        problems += walked.problems
    if "restart" in parts:
        restarted = run_restarts(options)
        print(format_restarts(restarted), flush=True)
        figures["restart"] = vars(restarted)
        problems += restarted.problems
    machine = describe_machine(Settings(), neighbours.share())
    options.json.write_text(json.dumps({**machine, **figures}, indent=2) + "\n", encoding="utf-8")
    print(format_machine(machine))
    print(*(f"PROBLEM: {problem}" for problem in problems), sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
