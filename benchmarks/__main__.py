"""The command line: runs the benchmarks, prints tables, writes the figures and the chart."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from . import chart, operated, operations, results, table
from .awake import keep_awake
from .catalog import PATHS, BenchmarkPath
from .neighbours import Neighbours
from .process import BenchmarkError, raise_file_limit
from .results import Figures
from .runner import present_subjects, run_path
from .settings import Settings

PROGRAMS = {"operated": operated.main, "operations": operations.main}
"""What has a command line of its own, by the first argument."""

HERE = Path(__file__).resolve().parent


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=results.__doc__)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help=f"of {', '.join(p.key for p in PATHS)}; or all")
    parser.epilog = f"Further programs, each with its own --help: {', '.join(PROGRAMS)}."
    add("--subject", action="append", default=[], help="only those with this in the name")
    add("--rounds", type=int, default=default.rounds)
    add("--seconds", type=float, default=default.seconds, help="of one measurement")
    add("--warmup", type=float, default=default.warmup, help="seconds before it")
    add("--messages", type=int, default=default.messages, help="in one WebSocket burst")
    add("--connections", type=int, default=default.connections, help="that post webhooks")
    add("--idle", type=int, default=default.idle, help="WebSockets whose memory is measured")
    add("--crowd", type=int, default=default.crowd, help="WebSockets that talk at once")
    add("--no-wrk", action="store_true", help="post from Python though wrk is installed")
    add("--json", type=Path, default=HERE / "latest.json", help="file for the figures")
    add("--svg", type=Path, default=HERE / "latest.svg", help="file for the chart")
    add("--enforce", action="store_true", help="fail when a target is missed or not measured")
    return parser


def choose_paths(keys: Sequence[str]) -> list[BenchmarkPath]:
    """Return the paths with these keys, or all paths; exit if a key is unknown."""
    unknown = set(keys) - {path.key for path in PATHS}
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}")
    return [path for path in PATHS if not keys or path.key in keys]


@contextlib.contextmanager
def certified(settings: Settings) -> Iterator[Settings]:
    """Add certificates of a throw-away authority; their files are deleted after the block."""
    import trustme

    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as directory:
        pair, root = Path(directory, "server.pem"), Path(directory, "authority.pem")
        authority.cert_pem.write_to_path(root)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pair)
        yield replace(settings, certificate=pair, authority=root)


def run(
    paths: Sequence[BenchmarkPath], settings: Settings, names: Sequence[str]
) -> tuple[list[Figures], list[str]]:
    """Measure paths; return the figures and a line for each subject that cannot run."""
    measured, missing = [], []
    with certified(settings) as settings:
        for path in paths:
            subjects, absent = present_subjects(path, names)
            missing += absent
            if subjects:
                measured.append(run_path(path, subjects, settings, _tell))
    return measured, missing


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Run the command line; return the exit status."""
    if sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        return PROGRAMS[sys.argv[1]](sys.argv[2:])
    options = make_parser().parse_args()
    names = ("rounds", "seconds", "warmup", "messages", "connections", "idle", "crowd")
    settings = Settings(**{name: getattr(options, name) for name in names})
    if options.no_wrk:
        settings = replace(settings, wrk=None)
    paths = choose_paths(options.paths)
    raise_file_limit()
    neighbours = Neighbours()
    try:
        with keep_awake() as awake:
            figures, absent = run(paths, settings, options.subject)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    if not figures:
        print("nothing was measured", *absent, sep="\n", file=sys.stderr)
        return 1
    machine = results.describe_machine(neighbours.share(), awake)
    options.json.write_text(results.as_json(figures, settings, machine, absent), encoding="utf-8")
    options.svg.write_text(chart.draw(figures, machine), encoding="utf-8")
    print(table.format_paths(figures), table.format_targets(figures), sep="\n\n")
    print("", table.format_machine(machine), *(f"absent: {line}" for line in absent), sep="\n")
    # A target whose path had no subject to measure counts as missed.
    measured = {figure.path.key: figure for figure in figures}
    missed = any(
        path.key not in measured or not measured[path.key].meets(target)
        for path in paths
        for target in path.targets
    )
    return int(options.enforce and missed)


if __name__ == "__main__":
    sys.exit(main())
