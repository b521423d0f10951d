"""What a test sees of nginx: bots of three processes, or servers that only say their port."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass

import aiohttp

from tests.nginx.processes import BotProcess, Nginx
from tests.support.waiting import eventually


@dataclass
class Site:
    """nginx in front of bot processes."""

    nginx: Nginx
    processes: list[BotProcess]

    async def start(self) -> None:
        """Start all of them, and wait until they serve."""
        self.nginx.start()
        for process in self.processes:
            process.start()
        await asyncio.gather(*(process.started() for process in self.processes))
        await self.nginx.started()

    async def stop(self) -> None:
        """Stop the processes; nobody may have logged an error."""
        for process in self.processes:
            await process.stop()
            wrong = ("ERROR", "CRITICAL", "Traceback", "Cut off")
            lines = [line for line in process.log.splitlines() if any(w in line for w in wrong)]
            assert lines == []

    def close(self) -> None:
        """End what still runs."""
        self.nginx.stop()
        for process in self.processes:
            process.close()

    def url(self, path: str, scheme: str = "http") -> str:
        """Return the URL of a path at nginx."""
        return f"{scheme}://127.0.0.1:{self.nginx.port}{path}"

    async def post(self, client: aiohttp.ClientSession, bot: str, text: str) -> int:
        """Send an event to a bot; return the status of the answer."""
        body, headers = json.dumps({"text": text}), {"X-Self-ID": bot}
        async with client.post(self.url("/my/"), data=body, headers=headers) as response:
            return response.status

    def places(self) -> dict[str, set[int]]:
        """Return the ports of the processes that have handled events of each bot."""
        places: dict[str, set[int]] = defaultdict(set)
        for process in self.processes:
            for bot, _ in process.handled():
                places[bot].add(process.port)
        return places

    async def handled(self, text: str) -> int:
        """Wait until a process has logged an event; return its port."""

        def found() -> int:
            ports = [p.port for p in self.processes if text in (each for _, each in p.handled())]
            return ports[0] if ports else 0

        return await eventually(found, what=f"{text} in a log")


@dataclass
class Backends:
    """nginx in front of servers that answer with their port."""

    nginx: Nginx
    client: aiohttp.ClientSession

    async def ask(self, path: str = "/my/", method: str = "POST", **headers: str) -> str:
        """Return the port of the server that has the request, or the status if none has."""
        url = f"http://127.0.0.1:{self.nginx.port}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = b"{}" if method == "POST" else None
        async with self.client.request(method, url, data=body, headers=named) as response:
            return await response.text() if response.status == 200 else str(response.status)

    async def places(self, bots: range) -> list[str]:
        """Return the ports of the servers that have the webhooks of bots."""
        await self.nginx.started()
        return [await self.ask(X_Self_ID=str(bot)) for bot in bots]
