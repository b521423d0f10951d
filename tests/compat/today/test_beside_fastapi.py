"""The example that serves a FastAPI application beside a NoneBot2 bot."""

from pathlib import Path

import aiohttp

from nonebot_aiohttp.testing.bots.up import answers
from tests.process.programs import ROOT, PythonProcess
from tests.support.ports import free_port
from tests.support.waiting import eventually

EXAMPLE = ["-W", "error::ResourceWarning", str(ROOT / "examples" / "beside_fastapi.py")]


async def test_both_answer_on_one_port_and_stop_together(tmp_path: Path) -> None:
    port = free_port()
    program = PythonProcess(tmp_path, EXAMPLE, {"HOST": "127.0.0.1", "PORT": str(port)}, tmp_path)
    try:
        await eventually(lambda: answers("127.0.0.1", port), 60, "the start of the example")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            for path, status, said in (
                ("/ping", 200, "pong"),
                ("/hello/you", 200, '{"hello":"you"}'),
                ("/nothing", 404, '{"detail":"Not Found"}'),
            ):
                async with client.get(path) as answer:
                    assert (answer.status, await answer.text()) == (status, said)
        program.stop()
        assert await program.ended() == 0, program.log
        assert "Traceback" not in program.log
    finally:
        program.kill()
