"""The example that serves a FastAPI application beside a NoneBot2 bot."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from tests.support.ports import free_port
from tests.support.waiting import eventually

from ..support.network import answers

EXAMPLE = Path(__file__).parents[3] / "examples" / "beside_fastapi.py"


def launch(port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start the example."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", str(EXAMPLE)],
            cwd=log.parent,
            env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port)},
            stdout=output,
            stderr=output,
        )


async def test_both_answer_on_one_port_and_stop_together(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log.txt"
    program = launch(port, log)
    try:
        await eventually(lambda: answers(port), what="the start of the example")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            for path, status, said in (
                ("/ping", 200, "pong"),
                ("/hello/you", 200, '{"hello":"you"}'),
                ("/nothing", 404, '{"detail":"Not Found"}'),
            ):
                async with client.get(path) as answer:
                    assert (answer.status, await answer.text()) == (status, said)
        program.send_signal(signal.SIGTERM)
        await eventually(lambda: program.poll() is not None, what="the end of the example")
        assert program.returncode == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        program.kill()
        program.wait()
