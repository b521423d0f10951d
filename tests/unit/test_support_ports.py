"""Tests of the ports that servers in processes of their own are given."""

from __future__ import annotations

import socket

import pytest

from tests.support.ports import BLOCK, BLOCKS, claim_block, free_port


def test_a_claimed_block_is_given_to_nobody_else() -> None:
    claim, ports = claim_block(BLOCKS)
    with claim:
        first = [ports[0]]
        with pytest.raises(LookupError, match="all blocks of ports are taken"):
            claim_block(first)
        other_claim, other_ports = claim_block([*first, *BLOCKS])
        other_claim.close()
        assert not set(ports) & set(other_ports)


def test_every_port_in_turn() -> None:
    assert len({free_port() for _ in range(BLOCK // 2)}) == BLOCK // 2


def test_no_port_that_somebody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert port not in {free_port() for _ in range(BLOCK)}
