"""Platforms of OneBot 11: each sends an event when the API call for the event before has come."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ..control import Control
from .http_message import MessageProtocol
from .loop import run

TEXT = "a message of the usual length " * 2
ANSWER = {"status": "ok", "retcode": 0, "data": {"message_id": 12345}}
PATIENCE = 20.0
"""Seconds within which the last events have to be handled."""


class Platform:
    """One bot's platform; a subclass sends the events and takes the calls.

    Attributes:
        calls: How many events have led to a call.
    """

    ending = False

    def __init__(self, number: int) -> None:
        self.calls = 0
        self.errors = 0
        self.idle = asyncio.Event()
        event = {
            "time": 1700000000,
            "self_id": number,
            "post_type": "message",
            "message_type": "private",
            "sub_type": "friend",
            "message_id": 12345,
            "user_id": 10001,
            "message": [{"type": "text", "data": {"text": f"/echo {TEXT}"}}],
            "raw_message": f"/echo {TEXT}",
            "font": 0,
            "sender": {"user_id": 10001, "nickname": "Ada", "sex": "unknown", "age": 0},
        }
        self.event = json.dumps(event).encode()

    def send(self) -> None:
        """Send the event."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Send the next event, unless the measurement has ended."""
        if Platform.ending:
            self.idle.set()
        else:
            self.send()

    def called(self, call: bytes) -> Any:
        """Count a call; return the answer to it."""
        parsed = json.loads(call)
        params = parsed.get("params", parsed)
        self.errors += TEXT.strip() not in json.dumps(params["message"])
        self.calls += 1
        return {**ANSWER, "echo": parsed.get("echo")}


class Socket(Platform, WSListener):
    """A platform with a reverse WebSocket."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a call, and send the next event."""
        if frame.msg_type == WSMsgType.TEXT:
            answer = self.called(frame.get_payload_as_bytes())
            transport.send(WSMsgType.TEXT, json.dumps(answer).encode())
            self.go_on()

    def send(self) -> None:
        """Send the event as a message."""
        self.transport.send(WSMsgType.TEXT, self.event)


class Webhooks(Platform, MessageProtocol):
    """A platform that posts webhooks; the next one when the answer and the call have come."""

    def __init__(self, number: int, path: str) -> None:
        Platform.__init__(self, number)
        MessageProtocol.__init__(self)
        self._missing = 0
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Self-ID: {number}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(self.event)}\r\n\r\n"
        self._request = head.encode() + self.event

    def send(self) -> None:
        """Post the event."""
        self._missing = 2
        self.transport.write(self._request)

    def take(self, head: bytes, body: bytes) -> None:
        """Take the answer to a webhook."""
        self.errors += not head.startswith(b"HTTP/1.1 204")
        self.came()

    def came(self) -> None:
        """Post the next one when both have come."""
        self._missing -= 1
        if not self._missing:
            self.go_on()


class Api(MessageProtocol):
    """One connection to the API of all platforms; the path begins with the bot's id."""

    platforms: dict[str, Webhooks] = {}

    def take(self, head: bytes, body: bytes) -> None:
        """Answer a call."""
        platform = self.platforms[head.split(b"/", 2)[1].decode()]
        answer = json.dumps(platform.called(body)).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % len(answer) + answer)
        platform.came()


async def connect(kind: str, port: int, path: str, count: int, api: int) -> list[Platform]:
    """Connect so many platforms to a bot, and listen for calls of the API on a port."""
    if kind == "reverse":
        url = f"ws://127.0.0.1:{port}{path}ws"
        return [await connect_socket(url, number) for number in range(1, count + 1)]
    await asyncio.get_running_loop().create_server(Api, "127.0.0.1", api, backlog=1024)
    for number in range(1, count + 1):
        Api.platforms[str(number)] = await connect_poster(port, path, number)
    return [*Api.platforms.values()]


async def connect_socket(url: str, number: int) -> Platform:
    """Connect a reverse WebSocket."""
    socket = Socket(number)
    await ws_connect(lambda: socket, url, extra_headers={"X-Self-ID": str(number)})
    return socket


async def connect_poster(port: int, path: str, number: int) -> Webhooks:
    """Connect a poster of webhooks."""
    poster = Webhooks(number, path)
    await asyncio.get_running_loop().create_connection(lambda: poster, "127.0.0.1", port)
    return poster


async def measure(kind: str, *where: Any, warmup: float, seconds: float) -> None:
    """Send events; tell the runner when it begins, how many were handled, and the errors."""
    control, platforms = Control(), await connect(kind, *where)
    for each in platforms:
        each.send()
    await asyncio.sleep(warmup)
    before = sum(each.calls for each in platforms)
    control.say(warm=True)
    await asyncio.sleep(seconds)
    control.say(messages=sum(each.calls for each in platforms) - before)
    Platform.ending = True
    await asyncio.wait_for(asyncio.gather(*(each.idle.wait() for each in platforms)), PATIENCE)
    control.say(errors=sum(each.errors for each in platforms))


if __name__ == "__main__":
    kind, port, path, count, api, warmup, seconds = sys.argv[1:]
    where = (int(port), path, int(count), int(api))
    run(measure(kind, *where, warmup=float(warmup), seconds=float(seconds)))
