"""A certificate that is renewed while NoneBot2's driver serves it in its own process."""

import asyncio
from pathlib import Path

import pytest
from nonebot.drivers import URL, WebSocket, WebSocketServerSetup

from tests.support.certs import RenewedFiles, shown_certificate
from tests.support.client import RawClient
from tests.support.frames import Frame, Opcode
from tests.support.waiting import within

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver


async def echo_one(websocket: WebSocket) -> None:
    """Answer one message."""
    await websocket.accept()
    await websocket.send(await websocket.receive())


@pytest.mark.promise("life: a renewed certificate is served without a restart, and WebSockets stay")
async def test_a_renewed_certificate_is_served_and_a_websocket_stays(tmp_path: Path) -> None:
    live = RenewedFiles(tmp_path)
    driver = make_driver(Candidate(OURS), **live.settings)
    driver.setup_websocket_server(WebSocketServerSetup(URL("/line"), "line", echo_one))
    started = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(driver.serve("127.0.0.1", 0, started=started.set_result))
    ((_, port),) = await within(started)
    async with await RawClient.connect(port, ssl_context=live.client) as client:
        assert (await client.upgrade("/line")).status == 101
        former = await asyncio.to_thread(shown_certificate, port, live.client)
        live.renew()
        await driver._host._server.certificates.look()
        new = await asyncio.to_thread(shown_certificate, port, live.client)
        assert new["serialNumber"] != former["serialNumber"]
        assert driver.status().certificate_expires
        await client.send_frame(Frame(Opcode.TEXT, b"still here"))
        assert (await client.read_message()).payload == b"still here"
        # On Python 3.10 a TLS transport warns whose peer has gone without goodbye.
        await client.send_frame(await client.read_close())
        await client.read_to_end()
    driver.exit()
    await within(serving)
