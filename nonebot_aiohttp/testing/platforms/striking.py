"""Answers over HTTP, and the faults that strike them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client

from aiohttp import web

from ..common.timeline import PLATFORM, shown, timeline
from ..wire.faults import Cut, Fault, Garbage, Oversize, Redirect, Slow, Status
from ..wire.frames import filling
from ..wire.links import Link
from .replies import Reply


async def answer(
    request: web.Request, reply: Reply, fault: Fault | None, link: Link
) -> web.StreamResponse:
    """Answer a request, unless a fault ends its connection."""
    if fault is None:
        return _plain(reply)
    timeline.note(PLATFORM, f"{fault}")
    if isinstance(fault, Status | Redirect):
        body = fault.body if isinstance(fault, Status) else b""
        return _plain(Reply(body or reply.body, fault.status, fault.headers))
    if isinstance(fault, Oversize):
        return await _oversize(request, reply, fault.size)
    if isinstance(fault, Slow):
        await link.strike(fault)
        response = _plain(reply)
        # The next request is not meant.
        response.force_close()
        return response
    with contextlib.suppress(ConnectionError):
        await _end(reply, fault, link)
    await link.ended.wait()
    # Nobody gets an answer any more.
    raise asyncio.CancelledError


def _plain(reply: Reply) -> web.Response:
    timeline.note(PLATFORM, f"> {reply.status} {shown(reply.text)}")
    return web.Response(body=reply.body, status=reply.status, headers=reply.headers)


async def _oversize(request: web.Request, reply: Reply, size: int) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = max(size, len(reply.body))
    await response.prepare(request)
    await response.write(reply.body)
    # JSON may be followed by space.
    for piece in filling(size - len(reply.body)):
        await response.write(piece)
    return response


async def _end(reply: Reply, fault: Fault, link: Link) -> None:
    """Let a fault happen that ends the connection, or lets it hang."""
    if isinstance(fault, Cut):
        await _cut(reply, fault.after, link)
        return
    await link.strike(fault)
    if isinstance(fault, Garbage):
        link.close()


async def _cut(reply: Reply, after: int, link: Link) -> None:
    """Send the head of an answer and a part of its body, of which something is missing."""
    body = reply.body.ljust(after + 1)
    fields = {**reply.headers, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {reply.status} {http.client.responses.get(reply.status, '')}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    await link.send("\r\n".join([*lines, "", ""]).encode())
    link.cut_after(after)
    await link.send(body)
