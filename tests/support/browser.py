"""Opens pages in a real browser, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory's files while the context lasts, and give the URL."""
    handler = partial(_Quiet, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def command(profile: Path, *options: str) -> list[str]:
    """Make the command that starts the browser, with a directory of its own for what it keeps."""
    assert CHROMIUM is not None
    # It has no sandbox for root.
    sandbox = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    return [CHROMIUM, *_OPTIONS, *sandbox, f"--user-data-dir={profile}", *options]


def rendered(url: str, profile: Path) -> str:
    """Return a page as it stands when its scripts have run."""
    # Time runs as fast as the page needs it.
    dump = command(profile, "--virtual-time-budget=10000", "--dump-dom", url)
    ran = subprocess.run(dump, capture_output=True, encoding="utf-8", timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
