"""Shows that all four ways work: a platform, the second process, sends a payload over each.

::

    python examples/four_ways.py                    one line for each way, exit code 0
    python examples/four_ways.py --break polling    that way gets a wrong token, exit code 1

The bot sends the random payload back: by an API call over HTTP for webhook and polling, and over
the same WebSocket for the other two. The example needs neither a configuration nor a network.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

import nonebot_aiohttp
from nonebot_aiohttp import (
    Driver,
    HTTPConnection,
    HTTPPollingSetup,
    HTTPResponse,
    WebSocket,
    WebSocketSetup,
    logger,
)

WAYS = ("webhook", "reverse", "polling", "forward")
ADAPTER = "four-ways"

SECONDS_PER_WAY = 10.0
SECONDS_IN_ALL = 60.0


@dataclass(frozen=True)
class Access:
    """The token that both sides know, and the way that gets a wrong one.

    Attributes:
        broken: The way that is broken on purpose, or None.
    """

    token: str
    broken: str | None

    def headers(self, way: str) -> dict[str, str]:
        """Make the headers of a way; the broken way gets a wrong token."""
        token = "wrong" if way == self.broken else self.token
        return {"X-Self-ID": way, "Authorization": token}


# The bot: this process.


@dataclass(frozen=True)
class Settings:
    """What the bot has to know; such a class may stand for ``Config``."""

    platform: str
    token: str
    environment: str = "example"


class Bot(nonebot_aiohttp.Bot[Settings]):
    """Sends each message back; the bot's id is the name of its way."""

    @property
    def type(self) -> str:
        """The name of the adapter."""
        return ADAPTER

    @classmethod
    async def check_permission(
        cls, driver: Driver[Settings], request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Let in a platform that shows the token."""
        is_platform = request.headers.get("authorization") == driver.config.token
        return (request.headers["x-self-id"] if is_platform else None), None

    async def handle_message(self, message: bytes) -> None:
        """Send the message back."""
        await self.send(None, message.decode())

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send a message to the platform."""
        await self.call_api("echo", payload=message)

    async def _call_api(self, api: str, **data: Any) -> Any:
        if isinstance(self.request, WebSocket):
            await self.request.send(data["payload"])
        else:
            url = f"http://{self.config.platform}/{api}"
            async with self.driver.session.post(url, data=data["payload"]) as response:
                response.raise_for_status()


def make_driver(platform: str, token: str) -> Driver[Settings]:
    """Make a driver with the adapter."""
    # No load_config(), because a .env in this folder must not change what is shown.
    settings = Settings(platform, token)
    driver = Driver(settings, settings)
    driver.register_adapter(ADAPTER, Bot)
    return driver


def go_forward(driver: Driver[Settings], platform: str, access: Access) -> None:
    """Connect a running driver to the platform."""
    driver.setup_http_polling(
        HTTPPollingSetup(
            adapter=ADAPTER,
            self_id="polling",
            url=f"http://{platform}/poll",
            method="GET",
            body=b"",
            headers=access.headers("polling"),
            http_version="1.1",
            poll_interval=0,
        )
    )
    driver.setup_websocket(
        WebSocketSetup(ADAPTER, "forward", f"ws://{platform}/socket", access.headers("forward"))
    )


async def run_bot(access: Access) -> int:
    """Run the bot with a platform and return the exit code."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        platform = await start_platform(port, access)
        try:
            return await asyncio.wait_for(talk(platform, listening, access), SECONDS_IN_ALL)
        finally:
            if platform.returncode is None:
                platform.kill()
                await platform.wait()


async def start_platform(bot_port: int, access: Access) -> asyncio.subprocess.Process:
    """Start the second process."""
    arguments = ["--platform", str(bot_port), "--token", access.token]
    arguments += ["--break", access.broken] if access.broken else []
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def talk(
    platform: asyncio.subprocess.Process, listening: socket.socket, access: Access
) -> int:
    """Run the driver until the platform has ended, and print the platform's output."""
    assert platform.stdout is not None
    port = int(await platform.stdout.readline())
    address = f"127.0.0.1:{port}"
    driver = make_driver(address, access.token)
    serving = asyncio.create_task(driver.serve(sock=listening))
    go_forward(driver, address, access)
    async for line in platform.stdout:
        print(line.decode().rstrip(), flush=True)
    code = await platform.wait()
    driver.exit()
    await serving
    return code


# The platform: the second process.


class Platform:
    """Sends a payload over each way and waits until it comes back."""

    def __init__(self, bot: str, access: Access) -> None:
        self._bot = bot
        self._access = access
        self._payloads = {way: secrets.token_hex(32) for way in WAYS}
        self._sent: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        self._returned: dict[str, asyncio.Future[float]] = {
            way: loop.create_future() for way in WAYS
        }
        self._ended = asyncio.Event()

    async def run(self) -> int:
        """Try all ways, print a line for each, and return the exit code."""
        app = web.Application()
        app.router.add_get("/poll", self._poll)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/echo", self._echo)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            print(runner.addresses[0][1], flush=True)
            succeeded = [await self._try(way) for way in WAYS]
        finally:
            self._ended.set()
            await runner.cleanup()
        return 0 if all(succeeded) else 1

    async def _try(self, way: str) -> bool:
        try:
            seconds = await asyncio.wait_for(self._round_trip(way), SECONDS_PER_WAY)
        except asyncio.TimeoutError:
            print(f"{way:<8} FAILED: nothing came back in {SECONDS_PER_WAY:g} s", flush=True)
        except (aiohttp.ClientError, PermissionError) as error:
            print(f"{way:<8} FAILED: {error}", flush=True)
        else:
            print(f"{way:<8} {seconds * 1000:8.2f} ms", flush=True)
            return True
        return False

    async def _round_trip(self, way: str) -> float:
        if way in ("webhook", "reverse"):
            async with aiohttp.ClientSession(headers=self._access.headers(way)) as session:
                send = self._send_webhook if way == "webhook" else self._send_on_socket
                await send(session)
        return await self._returned[way]

    async def _send_webhook(self, session: aiohttp.ClientSession) -> None:
        payload = self._take("webhook")
        async with session.post(f"{self._bot}/{ADAPTER}/", data=payload) as response:
            response.raise_for_status()

    async def _send_on_socket(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"{self._bot}/{ADAPTER}/ws") as connection:
            await connection.send_str(self._take("reverse"))
            self._take_back(await connection.receive_str())

    async def _poll(self, request: web.Request) -> web.Response:
        self._check(request, "polling")
        if "polling" in self._sent:
            # There are no more events, so that this poll is a long one.
            await self._ended.wait()
            raise web.HTTPServiceUnavailable
        return web.Response(text=self._take("polling"))

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        self._check(request, "forward")
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await connection.send_str(self._take("forward"))
        self._take_back(await connection.receive_str())
        return connection

    async def _echo(self, request: web.Request) -> web.Response:
        self._take_back(await request.text())
        return web.Response(status=204)

    def _check(self, request: web.Request, way: str) -> None:
        if request.headers.get("Authorization") == self._access.token:
            return
        if not self._returned[way].done():
            self._returned[way].set_exception(PermissionError("the bot showed a wrong token"))
        raise web.HTTPUnauthorized

    def _take(self, way: str) -> str:
        self._sent[way] = time.perf_counter()
        return self._payloads[way]

    def _take_back(self, payload: str) -> None:
        for way, sent in self._sent.items():
            if payload == self._payloads[way] and not self._returned[way].done():
                self._returned[way].set_result(time.perf_counter() - sent)


async def run_platform(bot_port: int, access: Access) -> int:
    """Run the platform and return the exit code."""
    return await Platform(f"http://127.0.0.1:{bot_port}", access).run()


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description="Send a payload over each of the four ways.")
    parser.add_argument("--break", dest="broken", choices=WAYS, help="break this way on purpose")
    parser.add_argument("--verbose", action="store_true", help="show the bot's log")
    # How this program starts its second process.
    parser.add_argument("--platform", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--token", default=secrets.token_hex(16), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    access = Access(arguments.token, arguments.broken)
    if arguments.platform is not None:
        return asyncio.run(run_platform(arguments.platform, access))
    if not arguments.verbose:
        logger.disable("nonebot_aiohttp")
    return asyncio.run(run_bot(access))


if __name__ == "__main__":
    sys.exit(main())
