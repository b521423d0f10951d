"""Runs a Python program in a process that systemd has given sockets.

``python -m tests.process.bots.activated NAME:... DESCRIPTOR,... -m MODULE ARGUMENT...``
"""

from __future__ import annotations

import fcntl
import os
import sys

FREE = 64
"""Nothing has a descriptor of this number or a higher one yet."""


def main() -> None:
    """Do what systemd does between ``fork()`` and ``execve()``."""
    names, descriptors, *program = sys.argv[1:]
    moved = [fcntl.fcntl(int(each), fcntl.F_DUPFD, FREE) for each in descriptors.split(",")]
    for number, descriptor in enumerate(moved, start=3):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ["LISTEN_FDS"] = str(len(moved))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDNAMES"] = names
    options = sys.orig_argv[1 : sys.orig_argv.index("-m")]
    os.execv(sys.executable, [sys.executable, *options, *program])


if __name__ == "__main__":
    main()
