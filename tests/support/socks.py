"""A SOCKS5 proxy, tiny-proxy, in a process of its own that resolves names differently."""

from __future__ import annotations

import asyncio
import sys

from tests.support.ports import free_port
from tests.support.waiting import within

NAME = "platform.test"
"""A name that only the proxy can resolve, to 127.0.0.1."""

USER, PASSWORD = "user", "s3cr3t:T0ken"

_PROGRAM = f"""
import sys
import anyio
from tiny_proxy import Socks5ProxyHandler

connect = anyio.connect_tcp

async def connect_elsewhere(remote_host, remote_port):
    print(f"{{remote_host}}:{{remote_port}}", flush=True)
    return await connect("127.0.0.1" if remote_host == {NAME!r} else remote_host, remote_port)

async def main(port, *login):
    anyio.connect_tcp = connect_elsewhere
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=int(port))
    print("serving", flush=True)
    await listener.serve(Socks5ProxyHandler(*login).handle)

anyio.run(main, *sys.argv[1:])
"""


class SocksProxy:
    """Forwards connections, and records the hosts and ports as the clients named them."""

    def __init__(self, password: bool = False) -> None:
        self.port = free_port()
        self.asked: list[str] = []
        self._login = (USER, PASSWORD) if password else ()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Its host and port, for URLs."""
        return f"127.0.0.1:{self.port}"

    @property
    def login(self) -> str:
        """Its user, password, host and port."""
        return f"{USER}:{PASSWORD.replace(':', '%3A')}@{self.address}"

    async def __aenter__(self) -> SocksProxy:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, str(self.port), *self._login),
            stdout=asyncio.subprocess.PIPE,
        )
        output = self._process.stdout
        assert output is not None
        assert await within(output.readline()) == b"serving\n"
        self._reading = asyncio.ensure_future(self._read(output))
        return self

    async def _read(self, output: asyncio.StreamReader) -> None:
        async for line in output:
            self.asked.append(line.decode().strip())

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._reading is not None
        self._process.kill()
        await self._process.wait()
        await self._reading
