"""The ways in which the bot begins: polling and forward WebSockets."""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import nonebot.drivers
from anyio import fail_after, move_on_after
from nonebot.drivers import URL, HTTPClientMixin, Request, WebSocketClientMixin

from .api import result_of
from .backoff import Backoff
from .exception import NetworkError
from .log import log, shown
from .tasks import Tasks

if TYPE_CHECKING:
    from .adapter import Adapter

OPENING = 15.0
"""Seconds for the opening handshake of a WebSocket, and for its ticket."""

CLOSING = 5.0
"""Seconds for the closing handshake of a WebSocket."""


class Forward:
    """The polls and the WebSockets of the bots in the settings."""

    def __init__(self, adapter: "Adapter") -> None:
        """Begin without a connection."""
        self._adapter = adapter
        self._config = adapter.pigeon_config
        self._polls = Tasks()
        self._connections = Tasks()

    def check(self) -> None:
        """Look whether the settings and the driver fit together.

        Raises:
            RuntimeError: They do not.
        """
        config, driver = self._config, self._adapter.driver
        if (config.pigeon_polling or config.pigeon_gateway) and not config.pigeon_root:
            raise RuntimeError("PIGEON_POLLING and PIGEON_GATEWAY need PIGEON_ROOT, Pigeon's URL")
        named = f"DRIVER={self._adapter.config.driver}"
        if config.pigeon_polling and not isinstance(driver, HTTPClientMixin):
            raise RuntimeError(f"PIGEON_POLLING needs an HTTP client: add +~httpx to {named}")
        both = isinstance(driver, HTTPClientMixin) and isinstance(driver, WebSocketClientMixin)
        if config.pigeon_gateway and not both:
            raise RuntimeError(
                f"PIGEON_GATEWAY needs clients of HTTP and of WebSockets: add +~aiohttp to {named}"
            )

    async def start(self) -> None:
        """Begin all of them; whether Pigeon is there does not matter."""
        for self_id in self._config.pigeon_polling:
            self._polls.start(self._poll(self_id))
        for self_id in self._config.pigeon_gateway:
            self._connections.start(self._connect(self_id))

    async def stop_polling(self) -> None:
        """End the polls: what they have not confirmed Pigeon sends again after the next start."""
        await self._polls.cancel()

    async def stop(self) -> None:
        """Close the WebSockets."""
        await self._connections.cancel()

    async def _poll(self, self_id: str) -> None:
        """Poll for ever. The bot is connected from a poll that was answered to one that was not.

        The first poll asks for all that Pigeon still has. An adapter that must not see an event
        again after a restart keeps the last number in a file.
        """
        backoff, last = self._backoff(), 0
        with ExitStack() as online:
            bot = None
            while True:
                began = asyncio.get_running_loop().time()
                try:
                    events = await self._events_after(last, self_id)
                    bot = bot or online.enter_context(self._adapter.online(self_id))
                except Exception as error:
                    online.close()
                    bot = None
                    await self._wait(backoff, error, f"a poll of bot {self_id}")
                    continue
                backoff.reset()
                before, last = last, max([last, *map(number_of, events)])
                for event in events:
                    self._adapter.take_event(bot, event)
                if last == before:
                    # Pigeon holds a poll until there is news. If it does not, ask in peace.
                    pause = began + self._config.pigeon_reconnect
                    await asyncio.sleep(pause - asyncio.get_running_loop().time())

    async def _events_after(self, last: int, self_id: str) -> list[Any]:
        path = f"/events?{urlencode({'after': last})}"
        seconds = self._config.pigeon_poll_timeout
        with fail_after(seconds):
            answer = await self._adapter.api.request("GET", path, bot=self_id, timeout=seconds)
        events = answer.get("events") if isinstance(answer, dict) else None
        if not isinstance(events, list):
            raise NetworkError(f"GET /events was answered with {answer!r:.200}")
        return events

    async def _connect(self, self_id: str) -> None:
        """Connect for ever."""
        backoff = self._backoff()
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._read(self_id)
            except Exception as error:
                # One that lasts shows that all is well. One that ends at once does not.
                if asyncio.get_running_loop().time() - began > self._config.pigeon_reconnect_max:
                    backoff.reset()
                await self._wait(backoff, error, f"the WebSocket of bot {self_id}")

    async def _read(self, self_id: str) -> None:
        """Open a WebSocket and read it to its end."""
        root, api = self._config.pigeon_root.rstrip("/"), self._adapter.api
        url = URL(f"{root}/gateway")
        url = url.with_scheme("wss" if url.scheme in ("https", "wss") else "ws")
        stack = AsyncExitStack()
        try:
            with fail_after(OPENING):
                data = {"bot": self_id}
                answer = await api.request("POST", "/ticket", data=data, timeout=OPENING)
                headers = {
                    "Authorization": f"Ticket {result_of(answer)}",
                    "X-Pigeon-Bot": self_id,
                }
                request = Request("GET", url, headers=headers, timeout=websocket_timeout())
                websocket = await stack.enter_async_context(self._adapter.websocket(request))
            log("INFO", f"Bot {shown(self_id)} has a WebSocket to {shown(str(url))}")
            await self._adapter.read(self_id, websocket, self._config.pigeon_idle)
        finally:
            # Not all drivers keep to the timeout, if the peer has vanished.
            with move_on_after(CLOSING + 1):
                await stack.aclose()

    def _backoff(self) -> Backoff:
        return Backoff(self._config.pigeon_reconnect, self._config.pigeon_reconnect_max)

    async def _wait(self, backoff: Backoff, error: Exception, what: str) -> None:
        pause = backoff.pause(error)
        log(
            "WARNING",
            f"{shown(what)} has ended: {shown(error)}. The next attempt is in {pause:.1f} s",
        )
        await asyncio.sleep(pause)


def number_of(event: Any) -> int:
    """Return the number of an event; 0 if it has none."""
    number = event.get("id") if isinstance(event, dict) else None
    return number if isinstance(number, int) else 0


def websocket_timeout() -> Any:
    """Return a timeout for WebSockets that does not limit how long one may be idle.

    A number means that, too, for some drivers since NoneBot 2.5. Before that it limits the opening
    and the closing handshake, and a ``Timeout`` does not have the latter.
    """
    if hasattr(nonebot.drivers, "DEFAULT_TIMEOUT"):
        return nonebot.drivers.Timeout(connect=OPENING, read=None, close=CLOSING)
    return CLOSING
