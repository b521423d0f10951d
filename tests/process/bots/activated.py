"""A bot in a process of its own that systemd has given sockets.

``python -m tests.process.bots.activated NAME:... DESCRIPTOR,... '{}'``
"""

from __future__ import annotations

import fcntl
import os
import sys

FREE = 64
"""Nothing has a descriptor of this number or a higher one yet."""


def main() -> None:
    """Do what systemd does between ``fork()`` and ``execve()``."""
    names, descriptors, arguments = sys.argv[1:]
    moved = [fcntl.fcntl(int(each), fcntl.F_DUPFD, FREE) for each in descriptors.split(",")]
    for number, descriptor in enumerate(moved, start=3):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ["LISTEN_FDS"] = str(len(moved))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDNAMES"] = names
    options = sys.orig_argv[1 : sys.orig_argv.index("-m")]
    command = [sys.executable, *options, "-m", "tests.process.bots.own", arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
