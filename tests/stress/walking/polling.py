"""A platform that the bot polls over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from nonebot_aiohttp import HTTPPollingSetup
from tests.stress.walking.forward import FAILURES, Failure, ForwardWalker, Turn
from tests.stress.walking.walker import ADAPTER, HANGS_UP
from tests.support import scripts
from tests.support.server import Connection
from tests.support.waiting import eventually
from tests.support.wire import encode_message, status_line


class PollingWalker(ForwardWalker):
    """A platform that answers long polls."""

    way = "polling"
    interval = 0.0

    def add_setup(self) -> None:
        url = self.server.url + "/poll"
        setup = HTTPPollingSetup(ADAPTER, self.self_id, url, "POST", b"", {}, "1.1", 0.0)
        self.ground.driver.setup_http_polling(setup)

    async def good(self, connection: Connection) -> None:
        """Hold each poll until there is something to say."""
        answer = None
        while True:
            await connection.read_request()
            connection.attempt.requests.clear()
            if answer is not None:
                # Nobody asks again on a connection before the last answer has been read.
                self.ledger.acknowledge(answer)
            turn = self._begin(connection)
            await turn.over.wait()
            answer = turn.answer

    async def say(self, turn: Turn) -> bool:
        message = self.ledger.send(self.self_id)
        seen = self.timeline.failures
        turn.answer = message
        self._lost()
        with contextlib.suppress(*HANGS_UP):
            await turn.connection.send(_answer(message))
        await eventually(
            lambda: self.ledger.is_handled(message) or self.timeline.failures > seen,
            self._patience,
            "the end of a poll",
        )
        return self.ledger.is_handled(message)

    def failures(self) -> Mapping[str, Failure]:
        return {
            **FAILURES,
            "half a body": Failure(scripts.truncated_body()),
            "hang in the body": Failure(scripts.truncated_body(stall=True)),
            "not what it was packed": Failure(
                scripts.status(200, b"no gzip at all", {"Content-Encoding": "gzip"})
            ),
            "bad chunk": Failure(
                scripts.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n")
            ),
        }

    def endings(self) -> Mapping[str, Callable[[Turn], Awaitable[None]]]:
        return {
            "reset in the poll": self._reset,
            "end in the poll": self._abort,
            "silent": self._stay_silent,
            "garbage in the poll": partial(self._send, data=b"\x00\x01\x02\x03\r\n\r\n"),
            "half an answer": partial(self._send, data=_answer(b"never to be handled")[:-4]),
        }

    async def _stay_silent(self, turn: Turn) -> None:
        """Answer nothing at all until the poll's time is up."""

    async def _send(self, turn: Turn, data: bytes) -> None:
        await turn.connection.send(data)
        turn.connection.abort()


def _answer(body: bytes) -> bytes:
    return encode_message(status_line(200), {"Content-Length": str(len(body))}, body)
