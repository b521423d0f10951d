"""Ports that no other process of tests is given."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from nonebot_aiohttp.testing.bots import ports

# Before a test begins to look for open sockets.
ports.claim()


def test_each_port_is_another_one_that_is_free() -> None:
    first, second = ports.free_port(), ports.free_port()
    assert first != second
    with socket.create_server(("127.0.0.1", first)):
        given = {ports.free_port() for _ in range(ports.BLOCK)}
    assert first not in given
    assert second in given


def test_another_process_is_given_other_ports() -> None:
    code = "from nonebot_aiohttp.testing.bots import ports; print(ports.free_port())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = ports.free_port()
    assert abs(int(ran.stdout) - own) > 0
    assert (int(ran.stdout) - 20_000) // ports.BLOCK != (own - 20_000) // ports.BLOCK


def test_all_blocks_may_be_taken() -> None:
    claim, block = ports.claim_block(ports.BLOCKS)
    with claim, pytest.raises(LookupError, match="taken by other processes of tests"):
        ports.claim_block([block[0]])


def test_a_claim_is_made_once() -> None:
    before = ports.free_port()
    ports.claim()
    assert (ports.free_port() - 20_000) // ports.BLOCK == (before - 20_000) // ports.BLOCK
