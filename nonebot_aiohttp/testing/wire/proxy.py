"""A proxy, by which bots reach a platform at hosts that are fixed in their adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..common.timeline import PLATFORM, timeline
from .door import Door

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY")


class Proxy:
    """An HTTP proxy (RFC 9110, section 9.3.6) whose only targets are the hosts of a platform.

    The platform itself is at the other end of a tunnel, so that its faults reach the bot as they
    are. What the proxy is asked for instead is refused with 502, and is a complaint: a test reaches
    nobody outside of it.
    """

    def __init__(self, hosts: tuple[str, ...], door: Door, complain: Callable[[str], None]) -> None:
        """Take the hosts, where they are, and where to complain."""
        self._hosts = tuple(host.lower() for host in hosts)
        self._door = door
        self._complain = complain

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection of the bot."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.decode("latin-1").partition(" ")
        target = rest.partition(" ")[0]
        host = _host(target)
        if host not in self._hosts:
            where = host or repr(head)  # What is not a request has no host.
            self._complain(f"the bot wanted to reach {where}, which is not in Platform(hosts=...)")
            writer.write(
                b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        timeline.note(PLATFORM, f"the proxy lets the bot reach {host}")
        if method != "CONNECT":
            await self._door.serve(reader, writer, head)
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if target.endswith(":80"):
            await self._door.serve(reader, writer)
        else:
            await self._door.serve_secure(reader, writer)


def environment(port: int) -> dict[str, str]:
    """Return the variables that name a proxy, in both cases: libraries differ in what they read."""
    url = f"http://127.0.0.1:{port}"
    found = dict.fromkeys(_VARIABLES, url) | {"NO_PROXY": "127.0.0.1,localhost"}
    return found | {name.lower(): value for name, value in found.items()}


def _host(target: str) -> str:
    """Return the host of ``host:443`` or of ``http://host:80/path``."""
    authority = target.partition("://")[2].partition("/")[0] or target
    return authority.partition(":")[0].lower()
