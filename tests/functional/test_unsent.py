"""Looking after connections whose peers take nothing, when a connection goes meanwhile."""

from __future__ import annotations

import asyncio
import socket

import pytest

from nonebot_aiohttp.connections.unsent import bytes_acked, reset, unsent_of
from tests.support.waiting import settle

pytestmark = pytest.mark.both_loops


async def test_a_connection_that_ends_with_unsent_bytes_is_not_an_error() -> None:
    """Trap: for a moment uvloop still counts what is unsent, and its socket has no descriptor."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    transport.write(bytes(16 << 20))
    assert unsent_of(transport)
    # As a look does that finds it still open.
    bytes_acked(transport)
    transport.abort()
    await settle()
    assert bytes_acked(transport) is None
    reset(transport, transport.abort)
    theirs.close()
