"""Where the driver's process listens: ports, Unix sockets, given sockets, TLS, every address."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nonebot_aiohttp import StartupError, ValidationError
from nonebot_aiohttp.hosts import listening
from nonebot_aiohttp.hosts.listening import BACKLOG, close_all, port_number, resolve
from tests.process.conftest import Launch
from tests.process.hosts import RUN, own_process
from tests.process.observing import post
from tests.process.programs import Program
from tests.process.test_signals import LOOPS
from tests.support.bots import make_driver
from tests.support.certs import Tls
from tests.support.client import RawClient
from tests.support.ports import free_port
from tests.support.waiting import within

EXIT = b'{"do": "exit"}'


async def stop_by(client: RawClient, program: Program) -> None:
    """Stop a program by a webhook."""
    async with client:
        assert (await post(client, RUN, EXIT)).status == 200
        assert await program.exit_code() == 0
    assert program.journal[-2:] == ["run() returned", "left behind: []"]


async def test_port_of_the_settings(launch: Launch) -> None:
    port = free_port()
    program = launch(own_process(), port_of_settings=f" {port} ")
    assert program.port == port
    await stop_by(await RawClient.connect(port), program)


@pytest.mark.promise("life: after the stop no task, session or socket is left")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("answers", [True, False], ids=["closes", "silent"])
async def test_stop_with_websockets_over_tls(
    loop: str, answers: bool, launch: Launch, tls: Tls
) -> None:
    """Trap: a TLS transport that was closed twice has no protocol (CPython 3.11 to 3.13)."""
    program = launch(
        own_process(port=0),
        # Before Python 3.11, asyncio logs TLS errors of the last crossing frames at DEBUG.
        log_level="INFO",
        aiohttp_loop=loop,
        aiohttp_close_timeout=0.5,
        aiohttp_ssl_certfile=str(tls.cert_file),
        aiohttp_ssl_keyfile=str(tls.key_file),
    )
    async with await RawClient.connect(program.port, ssl_context=tls.client) as client:
        response = await client.upgrade("/platform/ws", {"X-Self-ID": "7"})
        assert response.status == 101
        await program.noted("connect 7")
        program.stop()
        if answers:
            assert (await client.read_close()).close_code == 1001
        assert await program.exit_code() == 0
    assert program.journal[-2:] == ["run() returned", "left behind: []"]


@pytest.mark.promise("strangers: a TLS handshake has a timeout")
@pytest.mark.parametrize("loop", LOOPS)
async def test_silent_clients_of_tls_are_dropped(loop: str, launch: Launch, tls: Tls) -> None:
    program = launch(
        own_process(port=0),
        aiohttp_loop=loop,
        aiohttp_handshake_timeout=0.2,
        aiohttp_ssl_certfile=str(tls.cert_file),
        aiohttp_ssl_keyfile=str(tls.key_file),
    )
    async with await RawClient.connect(program.port) as client:
        assert await client.read_to_end() == b""
    await stop_by(await RawClient.connect(program.port, ssl_context=tls.client), program)


@pytest.mark.promise("life: every resolved address is listened on")
async def test_every_address_of_localhost(launch: Launch) -> None:
    program = launch(own_process(host="localhost", port=0))
    port = program.port
    clients = [
        await RawClient.connect(port, address[0])
        for _, address in resolve("localhost", port)
        if is_usable(address[0])
    ]
    assert clients
    for client in clients[1:]:
        async with client:
            assert (await post(client, RUN, b'{"do": "note", "id": 1}')).status == 200
    await stop_by(clients[0], program)


def is_usable(address: str) -> bool:
    """Tell whether an address is on this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as found:
        return found.connect_ex((address, 9)) != errno.EADDRNOTAVAIL


async def test_name_that_does_not_resolve(launch: Launch) -> None:
    program = launch(own_process(host="nowhere.invalid"))
    assert await program.exit_code(r"Cannot listen on nowhere\.invalid: ") == 1
    assert program.journal == ["left behind: []"]


async def test_given_socket(launch: Launch) -> None:
    program = launch(own_process(sock=True))
    await stop_by(await RawClient.connect(program.port), program)


@pytest.mark.both_loops
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the backlog")
async def test_the_backlog_is_large_while_connections_are_accepted() -> None:
    """Trap: a server that begins to serve calls `listen()` again, with 100 or 128."""
    driver = make_driver()
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        started = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(driver.serve(sock=given, started=started.set_result))
        await within(started)
        found = backlog_of(given)
        driver.exit()
        await within(serving)
    assert found == min(BACKLOG, most_of_the_system())


def backlog_of(listens: socket.socket) -> int:
    """Ask Linux, where `tcpi_sacked` of a listening socket is its backlog (tcp_diag.c)."""
    info = listens.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack_from("=I", info, 28)[0])


def most_of_the_system() -> int:
    """Return the largest backlog that the system allows."""
    return int(Path("/proc/sys/net/core/somaxconn").read_text("ascii"))


@pytest.mark.parametrize(("system", "reused"), [("posix", True), ("nt", False)])
def test_no_port_is_shared_on_windows(
    system: str, reused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: with `SO_REUSEADDR` two processes listen on one port there."""
    monkeypatch.setattr(listening, "os", SimpleNamespace(name=system))
    sockets = listening.listen("127.0.0.1", 0)
    try:
        option = sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert bool(option) is reused
    finally:
        close_all(sockets)


@pytest.mark.promise("life: after the stop no task, session or socket is left")
async def test_tls_by_a_context(launch: Launch, tls: Tls) -> None:
    files = [str(tls.cert_file), str(tls.key_file)]
    program = launch(own_process(port=0, ssl_context=files))
    await stop_by(await RawClient.connect(program.port, ssl_context=tls.client), program)


@pytest.mark.promise("data: an error names the setting that is wrong, and what to write instead")
async def test_tls_with_a_file_that_is_not_a_certificate(launch: Launch, tls: Tls) -> None:
    program = launch(
        own_process(port=0),
        aiohttp_ssl_certfile=str(tls.key_file),
        aiohttp_ssl_keyfile=str(tls.key_file),
    )
    assert await program.exit_code(r"ERROR .*aiohttp_ssl_certfile") == 1
    assert program.journal == ["left behind: []"]


@pytest.mark.parametrize("port", ["http", "-1", 65536, 80.5, None, ""])
def test_invalid_port(port: object) -> None:
    with pytest.raises(ValidationError) as raised:
        port_number(port)
    assert str(raised.value) == f"port: must be a number from 0 to 65535, not {port!r}"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080"])
def test_a_port_in_the_host_is_named(host: str) -> None:
    with pytest.raises(StartupError) as raised:
        resolve(host, 80)
    name = host.partition(":")[0]
    assert str(raised.value).endswith(f'; the port is an argument of its own: run("{name}", 8080)')
