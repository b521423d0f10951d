"""A bot in a process of its own: ``python -m tests.process.bots.own '{"port": 0}'``."""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import threading
from typing import Any

from nonebot_aiohttp.hosts import certificates
from nonebot_aiohttp.testing.bots.leaks import changes, open_clients, open_sockets
from tests.process.bots.common import driver_of_test, note_in_journal
from tests.support.leaks import process_state


def run_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Make the arguments of ``Driver.run`` from JSON."""
    if given.get("sock"):
        given["sock"] = socket.create_server(("127.0.0.1", 0))
    if files := given.get("ssl_context"):
        given["ssl_context"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        given["ssl_context"].load_cert_chain(*files)
    return given


def observed_state() -> dict[str, object]:
    """Describe what ``run()`` has to restore, without the numbers of log sinks."""
    state = process_state()
    state["the sinks of loguru"] = re.sub(r"id=\d+", "id", str(state["the sinks of loguru"]))
    return state


def main() -> None:
    """Run the bot, and note what ``run()`` did not restore."""
    given = run_arguments(json.loads(sys.argv[1]))
    in_thread = given.pop("in_thread", False)
    certificates.LOOK_INTERVAL = given.pop("look_interval", certificates.LOOK_INTERVAL)
    driver = driver_of_test()
    before, sockets = observed_state(), open_sockets()

    def run() -> None:
        driver.run(**given)
        note_in_journal("run() returned")

    try:
        if in_thread:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        else:
            run()
    finally:
        given.clear()
        changed = changes(before, observed_state())
        new = [text for key, text in open_sockets().items() if key not in sockets]
        left = [*changed, *open_clients().values(), *new]
        note_in_journal(f"left behind: {left}")


if __name__ == "__main__":
    main()
