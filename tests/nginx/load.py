"""Peers of many bots: each sends webhooks, and has a WebSocket that it connects again and again."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import aiohttp

from tests.nginx.site import Site

ACKNOWLEDGED = 204
NOT_HANDLED = (502, 503)
"""What tells a peer to send an event again."""

PAUSE = 0.02
"""Seconds between two events of a peer."""

PATIENCE = 60.0
"""Seconds that a peer waits for an answer: longer than a start takes on a loaded machine."""


class Load:
    """Sends events for bots until it is told to end.

    Attributes:
        answers: How often each status came as the answer to a webhook.
        connected: How often a WebSocket was connected.
        refused: How often each status came as the answer to a WebSocket's handshake.
        closed: How often the bot closed a WebSocket with each code.
        longest: Seconds until the slowest answer.
    """

    def __init__(self, site: Site, client: aiohttp.ClientSession, bots: range) -> None:
        self.answers: Counter[int] = Counter()
        self.connected = 0
        self.refused: Counter[int] = Counter()
        self.closed: Counter[int] = Counter()
        self.longest = 0.0
        self._sent: dict[tuple[str, str], int] = {}
        self._ending = False
        self._site = site
        self._client = client
        self._bots = [str(bot) for bot in bots]

    async def run(self) -> None:
        """Send; what was begun is sent until it is acknowledged."""
        sending = [peer(bot) for bot in self._bots for peer in (self._webhooks, self._websocket)]
        await asyncio.gather(*sending)

    def end(self) -> None:
        """Begin no further event."""
        self._ending = True

    async def _webhooks(self, bot: str) -> None:
        for event in itertools.count():
            for delivery in itertools.count():
                status = await self._deliver(bot, f"webhook/{event}/{delivery}")
                if status == ACKNOWLEDGED:
                    break
            if self._ending:
                return

    async def _deliver(self, bot: str, text: str) -> int:
        clock = asyncio.get_running_loop().time
        begun = clock()
        status = await asyncio.wait_for(self._site.post(self._client, bot, text), PATIENCE)
        self.longest = max(self.longest, clock() - begun)
        self.answers[status] += 1
        self._sent[bot, text] = status
        await asyncio.sleep(PAUSE)
        return status

    async def _websocket(self, bot: str) -> None:
        url, headers = self._site.url("/my/ws", "ws"), {"X-Self-ID": bot}
        for connection in itertools.count():
            if self._ending and connection:
                return
            try:
                async with self._client.ws_connect(url, headers=headers) as websocket:
                    self.connected += 1
                    await self._exchange(websocket, connection)
            except aiohttp.WSServerHandshakeError as error:
                self.refused[error.status] += 1
            await asyncio.sleep(PAUSE)

    async def _exchange(self, websocket: aiohttp.ClientWebSocketResponse, connection: int) -> None:
        """Send events until the bot closes, or the load ends; each is answered."""
        while not self._ending:
            with suppress(ConnectionResetError):  # Closed: the next message is the bot's goodbye.
                await websocket.send_json({"text": "ping"})
            message = await asyncio.wait_for(websocket.receive(), PATIENCE)
            if message.type is not aiohttp.WSMsgType.TEXT:
                self.closed[message.data] += 1
                return
            assert json.loads(message.data) == {"api": "send", "text": "pong"}
            await asyncio.sleep(PAUSE)

    def problems(self) -> Iterator[str]:
        """Compare what was answered with what the processes have handled, and where."""
        handled = Counter(pair for process in self._site.processes for pair in process.handled())
        for (bot, text), status in self._sent.items():
            times = handled[bot, text]
            if status == ACKNOWLEDGED and times != 1:
                yield f"{text} of {bot} was acknowledged and handled {times} times"
            elif status in NOT_HANDLED and times:
                yield f"{text} of {bot} was answered {status}, and handled"
            elif status not in (ACKNOWLEDGED, *NOT_HANDLED):
                yield f"{text} of {bot} was answered {status}"
        if not set(self.refused) <= set(NOT_HANDLED):
            yield f"WebSockets were refused with {set(self.refused)}"
        places = self._site.places()
        for bot in self._bots:
            if len(places[bot]) != 1:
                yield f"{bot} was in {len(places[bot])} processes"
