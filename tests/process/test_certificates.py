"""A certificate whose files are replaced under a bot in a process of its own."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import own_process
from tests.process.test_signals import LOOPS
from tests.support.certs import RenewedFiles, replace_file, shown_certificate
from tests.support.client import RawClient


@pytest.mark.promise("life: a renewed certificate is served without a restart, and WebSockets stay")
@pytest.mark.parametrize("loop", LOOPS)
async def test_files_are_replaced_while_a_websocket_is_open(
    loop: str, launch: Launch, tmp_path: Path
) -> None:
    live = RenewedFiles(tmp_path)
    program = launch(
        own_process(port=0, look_interval=0.05),
        # Before Python 3.11, asyncio logs TLS errors of the last crossing frames at DEBUG.
        log_level="INFO",
        aiohttp_loop=loop,
        **live.settings,
    )

    async def shown() -> str:
        found = await asyncio.to_thread(shown_certificate, program.port, live.client)
        return str(found["notAfter"])

    async with await RawClient.connect(program.port, ssl_context=live.client) as client:
        assert (await client.upgrade("/platform/ws", {"X-Self-ID": "7"})).status == 101
        await program.noted("connect 7")
        replace_file(live.key_file, b"")
        await program.logged("The former certificate stays. aiohttp_ssl_keyfile")
        assert await shown() == "Jan  1 00:00:00 3000 GMT"
        live.renew(datetime(2041, 2, 3, 4, 5))
        await program.logged("its expiry: 2041-02-03 04:05 UTC")
        assert await shown() == "Feb  3 04:05:00 2041 GMT"
        program.stop()
        assert (await client.read_close()).close_code == 1001
        expected = r"WARNING .*The former certificate stays\. aiohttp_ssl_keyfile: .* is empty"
        assert await program.exit_code(expected) == 0
    assert program.journal[-2:] == ["run() returned", "left behind: []"]


async def test_an_expired_certificate_is_said_at_the_start(launch: Launch, tmp_path: Path) -> None:
    live = RenewedFiles(tmp_path)
    live.renew(datetime(2020, 1, 1))
    program = launch(own_process(port=0), **live.settings)
    await program.logged("has expired (on 2020-01-01")
    program.stop()
    assert await program.exit_code(r"ERROR .* has expired \(on 2020-01-01 .*: renew it") == 0


async def test_an_encrypted_key_is_named_where_nobody_can_be_asked(
    launch: Launch, tmp_path: Path
) -> None:
    live = RenewedFiles(tmp_path)
    key = live.key_file.read_text("ascii")
    head, _, rest = key.partition("\n")
    live.key_file.write_text(f"{head}\nProc-Type: 4,ENCRYPTED\n\n{rest}", "ascii")
    program = launch(own_process(port=0), **live.settings)
    assert await program.exit_code(r"ERROR .*aiohttp_ssl_keyfile: .* is encrypted, and only a") == 1
