"""How Node's `ws` reacts to a handshake that does not choose a subprotocol.

Run it by hand, with `node` and `npm`: python -m tests.support.node_ws
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile

from tests.support.bots import make_driver, new_adapter

COMPLAINTS = {"": None, "12.onebot": "Server sent no subprotocol"}
"""For each subprotocol that is offered, the error message of ws 8.23."""

SCRIPT = """
const [url, offer] = process.argv.slice(2);
const socket = new (require('ws'))(url, offer ? [offer] : [], {headers: {'X-Self-ID': '1'}});
socket.on('open', () => { console.log('null'); socket.close(); });
socket.on('error', (error) => console.log(JSON.stringify(error.message)));
"""
"""Connects, and prints the error message or null."""


def _run_node(folder: str, url: str) -> None:
    """Compare the expected messages with those of Node's `ws`."""
    for offer, expected in COMPLAINTS.items():
        command = ["node", "-e", SCRIPT, "-", url, offer]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        complaint = json.loads(ran.stdout)
        print(f"offered {offer!r}: {complaint or 'connected'}")
        assert complaint == expected


async def main(folder: str) -> None:
    """Serve a bot, and have Node connect to it."""
    addresses = asyncio.get_running_loop().create_future()
    driver = make_driver(new_adapter())
    serving = asyncio.create_task(driver.serve("127.0.0.1", 0, started=addresses.set_result))
    port = (await addresses)[0][1]
    try:
        await asyncio.to_thread(_run_node, folder, f"ws://127.0.0.1:{port}/recorder/ws")
    finally:
        driver.exit()
        await serving


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run(["npm", "install", "--silent", "ws"], cwd=empty, check=True)
        sys.exit(asyncio.run(main(empty)))
