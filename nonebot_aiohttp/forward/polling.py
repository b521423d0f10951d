"""The HTTP polling loop: ask, hand the answer to the bot, wait, ask again."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from ..adapters import Bot, create_bot
from ..connections import records
from ..connections.message_tasks import MessageTasks
from ..connections.redirects import Outgoing, following
from ..connections.sessions import check_version
from ..drivers import Driver, HTTPRequest
from ..exceptions import SetupError
from ..log import redact_url
from ..log.naming import about, connected_text, disconnected_text
from ..log.own import logger
from .base import ForwardLoop, Supplies, connection_fields
from .encodings import accepted, read_answer
from .setups import POLLING, check_body

MINIMUM_PERIOD = 0.05
"""Seconds between the starts of two polls at least, because an interval of 0 is a long poll."""

_METHOD = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""A token, see RFC 9110, section 5.6.2."""


class PollingLoop(ForwardLoop):
    """Polls for one setup.

    Attributes:
        quiet: Set when no further answer will be read.
    """

    kind = records.POLLING
    takes = POLLING
    interval = "poll_interval"

    def __init__(
        self, setup: Any, supplies: Supplies, stopping: asyncio.Event, closing: asyncio.Event
    ) -> None:
        """Make the loop of one setup; see ``ForwardLoop``."""
        super().__init__(setup, supplies, stopping, closing)
        self.quiet = asyncio.Event()
        self._bot: Bot | None = None
        self._name = ""

    async def run(self) -> None:
        """Poll until the stop; the bot stays connected until its handlers have ended."""
        try:
            await super().run()
            self.quiet.set()
            if self._bot is not None and self._stopping.is_set():
                await self._closing.wait()
        finally:
            self.quiet.set()
            self._leave()

    @classmethod
    def examine(cls, setup: Any, driver: Driver) -> tuple[type[Bot], URL, float]:
        """Check the method, the body and the HTTP version, too."""
        found = super().examine(setup, driver)
        if not isinstance(setup.method, str) or not _METHOD.fullmatch(setup.method):
            raise SetupError("its method must be one of HTTP, such as GET")
        check_body(setup.body)
        check_version(setup.http_version)
        return found

    async def attempt(self, setup: Any, adapter: type[Bot], url: URL) -> float:
        """Poll once."""
        started = self._supplies.clock()
        timeout = self._supplies.options.poll_timeout
        # Before the poll, because an adapter that fails here must not cost an answer.
        bot = self._make_bot(setup, adapter, url)
        body = await self.within(self._poll(setup, url), timeout, "aiohttp_poll_timeout")
        joins = bot.self_id not in self._supplies.driver.bots
        if joins:
            self._supplies.connected_bots.connect(bot, setup.adapter, self.kind)
        self._supplies.connected_bots.records.polled(bot)
        # The platform takes an answer whose body was read as acknowledged, so nothing may come
        # between.
        MessageTasks(self._supplies.handlers, bot.handle_message, setup.adapter, bot).start(body)
        if not self.connected(url) and joins:
            way = f"{self.kind}, {redact_url(url)}"
            logger.info("{}", connected_text(bot.self_id, setup.adapter, way), **self.about)
        pace = MINIMUM_PERIOD - (self._supplies.clock() - started)
        return max(self._interval, pace, 0.0)

    async def _poll(self, setup: Any, url: URL) -> bytes:
        session = self._supplies.pool.for_loops(setup.http_version)

        async def send(request: Outgoing) -> bytes:
            headers = CIMultiDict(request.headers or {})
            headers[hdrs.ACCEPT_ENCODING] = accepted(headers.get(hdrs.ACCEPT_ENCODING))
            async with session.request(
                request.method, request.url, data=request.body, headers=headers
            ) as response:
                return await self._read(response)

        method, body = setup.method.upper(), setup.body or None
        return await following(send, Outgoing(method, url, setup.headers, body))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if not 200 <= response.status < 300:
            raise aiohttp.ClientResponseError(
                response.request_info,
                response.history,
                status=response.status,
                message=response.reason or "",
                headers=response.headers,
            )
        return await read_answer(response, self._supplies.options.max_body_size)

    def _make_bot(self, setup: Any, adapter: type[Bot], url: URL) -> Bot:
        """Make the bot of the setup, or take that of the last poll."""
        request = polling_request(setup, url)
        bot = self._bot
        if bot is None or (bot.self_id, self._name) != (setup.self_id, setup.adapter):
            self._leave()
            driver = self._supplies.driver
            bot = create_bot(adapter, driver, setup.self_id, request)
            self._bot, self._name = bot, setup.adapter
        bot.request = request
        return bot

    def _leave(self) -> None:
        bot, self._bot = self._bot, None
        if bot is not None:
            if self._supplies.driver.bots.get(bot.self_id) is bot:
                text = disconnected_text(bot.self_id, self._name, self.kind)
                logger.info("{}", text, **about(self._name, bot.self_id))
            self._supplies.connected_bots.disconnect(bot, self._name)


def polling_request(setup: Any, url: URL) -> HTTPRequest:
    """Make the request by which a polling bot has come, as the contract wants it."""
    return HTTPRequest(
        **connection_fields(setup, url),
        http_version=setup.http_version,
        method=setup.method.upper(),
        body=setup.body or b"",
    )
