"""A platform that posts events and is as bad at it as platforms, proxies and strangers are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tests.stress.walking.bot import SLOW
from tests.stress.walking.walker import ADAPTER, HANGS_UP, Walker
from tests.support.client import RawClient
from tests.support.waiting import eventually, within
from tests.support.wire import encode_message

PATH = f"/{ADAPTER}/"
FLOOD = 40
PAUSE = 0.01
"""Seconds after which an event that was refused is sent again."""
TOO_LARGE = str(1 << 30)


class WebhookWalker(Walker):
    """Posts over one keep-alive connection, and does harm over others."""

    way = "webhook"
    _kept: RawClient | None = None

    def faults(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {
            "reset": self.reset_at_once,
            "reset in the head": self.reset_in_head,
            "reset in the body": self.reset_in_body,
            "end in the body": self.end_in_body,
            "slow body": self.slow_body,
            "garbage": self.garbage,
            "lying length": self.lying_length,
            "bad chunk": self.bad_chunk,
            "strangers": self.strangers,
            "leaves before the answer": self.leave_before_answer,
            "pipeline": self.pipeline,
            "flood": self.flood,
            "restart": self.leave,
        }

    async def deliver(self, order: str = "") -> None:
        """Send an event until it is acknowledged, and wait until it is handled."""
        message = await within(self._post_until_accepted(order), self.ground.patience)
        await eventually(
            lambda: self.ledger.is_handled(message), self.ground.patience, "the handler's end"
        )

    async def leave(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.abort()
            await kept.close()

    async def reset_at_once(self) -> None:
        async with await self.client() as client:
            client.reset()

    async def reset_in_head(self) -> None:
        async with await self.client() as client:
            head = self._request(self._unsent())
            await client.send(head[: self.random.randrange(1, head.index(b"\r\n\r\n"))])
            client.reset()

    async def reset_in_body(self) -> None:
        async with await self.client() as client:
            await client.send(self._request(self._unsent())[:-4])
            client.reset()

    async def end_in_body(self) -> None:
        async with await self.client() as client:
            await client.send(self._request(self._unsent())[:-4])
            client.end_writing()
            self.check(b" 200 " not in await client.read_to_end(), "half a body was accepted")

    async def slow_body(self) -> None:
        """Let the rest of the body never come."""
        async with await self.client() as client:
            await client.send(self._request(self._unsent())[:-4])
            response = await client.read_response()
            # Another walker's flood may have filled the place.
            self.check(response.status in (408, 503), f"slow body: {response.status}")

    async def garbage(self) -> None:
        async with await self.client() as client:
            await self._send_and_end(client, self.random.randbytes(300))
            self.check(b" 200 " not in await client.read_to_end(), "garbage was accepted")

    async def lying_length(self) -> None:
        """Send more than the length says: an event, and then something that is not a request.

        aiohttp may refuse both, when both arrive at once; then the event is not handled.
        """
        message = self.ledger.send(self.self_id)
        async with await self.client() as client:
            await client.send(self._request(message) + b"\x00surplus\r\n\r\n")
            response = await client.read_response()
            self._settle(message, response.status, {400, 503})
            self.check(b" 200 " not in await client.read_to_end(), "the surplus was accepted")

    async def bad_chunk(self) -> None:
        fields = {**self.headers, "Host": "bot", "Transfer-Encoding": "chunked"}
        async with await self.client() as client:
            head = encode_message(f"POST {PATH} HTTP/1.1", fields)
            await self._send_and_end(client, head + b"4\r\nhalf\r\nxyz\r\n\r\n")
            self.check(b" 200 " not in await client.read_to_end(), "bad chunks were accepted")

    async def strangers(self) -> None:
        """Send what is to be refused, and be told why."""
        for method, path, headers, status in (
            ("POST", "/nobody/", self.headers, 404),
            ("PUT", PATH, self.headers, 405),
            ("POST", PATH, {}, 401),
            ("POST", PATH, {**self.headers, "Origin": "https://page.example"}, 403),
            ("POST", PATH, {**self.headers, "Content-Length": TOO_LARGE}, 413),
        ):
            async with await self.client() as client:
                response = await client.request(method, path, headers)
                self.check(response.status in (status, 503), f"{path}: {response.status}")

    async def leave_before_answer(self) -> None:
        """Send a whole request and reset: it may be handled or not, but not twice."""
        async with await self.client() as client:
            await client.send(self._request(self.ledger.send(self.self_id)))
            client.reset()

    async def pipeline(self) -> None:
        messages = [self.ledger.send(self.self_id) for _ in range(5)]
        async with await self.client() as client:
            await client.send(b"".join(map(self._request, messages)))
            for message in messages:
                await self._read_acknowledgement(client, message)

    async def flood(self) -> None:
        """Send more events at once than the driver takes; those refused are sent again."""
        posting = asyncio.gather(*(self._flood_one() for _ in range(FLOOD)))
        await within(posting, self.ground.patience)

    async def _flood_one(self) -> None:
        async with await self.client() as client:
            while True:
                if await self._post(client, SLOW) is not None:
                    break
                await asyncio.sleep(PAUSE)

    async def _post_until_accepted(self, order: str) -> bytes:
        while True:
            if self._kept is None:
                self._kept = await self.client()
            try:
                message = await self._post(self._kept, order)
            except HANGS_UP:
                # It was idle for too long; whether that event arrived is not known.
                await self.leave()
                continue
            if message is not None:
                return message
            await asyncio.sleep(PAUSE)

    async def _post(self, client: RawClient, order: str) -> bytes | None:
        """Send an event; None means that it has to be sent again."""
        message = self.ledger.send(self.self_id, order)
        await client.send(self._request(message))
        return message if await self._read_acknowledgement(client, message) else None

    async def _read_acknowledgement(self, client: RawClient, message: bytes) -> bool:
        response = await client.read_response()
        self._settle(message, response.status, {503})
        return response.status == 200

    def _settle(self, message: bytes, status: int, refusals: set[int]) -> None:
        """Enter what the status says of a delivery."""
        if status == 200:
            self.ledger.acknowledge(message)
        else:
            self.ledger.refuse(message)
            self.check(status in refusals, f"an event was answered {status}")

    async def _send_and_end(self, client: RawClient, data: bytes) -> None:
        # The server may have hung up before the end of what it cannot use.
        try:
            await client.send(data)
            client.end_writing()
        except OSError:
            pass

    def _request(self, body: bytes) -> bytes:
        fields = {**self.headers, "Host": "bot", "Content-Length": str(len(body))}
        return encode_message(f"POST {PATH} HTTP/1.1", fields, body)

    def _unsent(self) -> bytes:
        """Return an event that the ledger does not know, because it must not be handled."""
        return b"never to be handled: " + self.random.randbytes(8).hex().encode()
