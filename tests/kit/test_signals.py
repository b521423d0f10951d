"""A bot whose server raises the signal that has stopped it again, as uvicorn does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nonebot_aiohttp.testing import BotProcess, LeftBehind
from nonebot_aiohttp.testing.bots import ports

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

ports.claim()

PROGRAM = """
import asyncio, os, signal, socket

kept = socket.create_server(("127.0.0.1", 0))

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with await asyncio.start_server(answer, os.environ["HOST"], int(os.environ["PORT"])):
        await stop.wait()
    loop.remove_signal_handler(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)

asyncio.run(main())
"""


async def test_what_is_left_is_told_before_the_signal_ends_the_process(tmp_path: Path) -> None:
    # A socket that is still open is waited for, as long as the signal waits for the main coroutine.
    path = tmp_path / "bot.py"
    path.write_text(PROGRAM, "utf-8")
    with pytest.raises(LeftBehind, match="an open socket"):
        async with BotProcess(path) as bot:
            pass
    assert bot.exit_code == -15
