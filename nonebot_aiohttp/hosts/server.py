"""``Server``: the server of the own process, which starts and stops in order.

aiohttp's runner makes the server. Its steps are taken here one by one, because the runner's own
``cleanup()`` knows no deadline.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from ..life.lifespan import Lifespan
from ..life.waiting import end_within, race
from ..log.own import logger
from ..options import DriverOptions
from ..reverse.aiohttp_transport import AiohttpTransport
from .access_log import AccessLog
from .certificates import Certificates
from .draining import DrainingConnections
from .fast_path import FastPath
from .library_loggers import SERVER
from .listening import Listening, close_all, url_of

ACCEPTED_AT_ONCE = 128
"""Connections that asyncio accepts in one turn of the event loop."""

LAST_REQUESTS = 0.1
"""Seconds in which requests of the last connections arrive, if systemd keeps the sockets open."""

SHORTEST_TIMEOUT = 0.01
"""Seconds for which aiohttp waits where none are left, because it takes 0 for no limit."""

Started = Callable[[list[Any]], Any]
"""Called with the addresses once connections are accepted."""


class Server:
    """Serves one application once: listens, starts the driver, accepts, and stops all of it.

    Attributes:
        certificates: The certificate that it serves with; None for plain text, or where the caller
            has given a context.
    """

    def __init__(
        self,
        app: web.Application,
        transport: AiohttpTransport,
        lifespan: Lifespan,
        options: DriverOptions,
        where: Listening,
    ) -> None:
        """Bind and listen, before anything else runs.

        Raises:
            StartupError: An address cannot be bound.
            ValidationError: The port is not a valid port number, or a file of TLS cannot be used.
        """
        self._app = app
        self._transport = transport
        self._lifespan = lifespan
        self._options = options
        self._where = where
        self.certificates = None if where.ssl_context is not None else Certificates.of(options)
        self._context = where.ssl_context
        if self.certificates is not None:
            self._context = self.certificates.context
        self._sockets = where.open(options)
        self._runner = make_runner(app, options)
        self._servers: list[asyncio.AbstractServer] = []
        self._draining = DrainingConnections()

    async def start(self, stop: asyncio.Event, started: Started | None) -> None:
        """Start the driver, then the application, then accept connections.

        Raises:
            Stopped: The stop came first; a startup hook that hangs must not hold it up.
            StartupError: A startup hook failed.
        """
        await race(self._start(), stop, grace=self._lifespan.start_grace)
        await self._accept()
        for each in self._sockets:
            logger.info("Listening on {}", url_of(each, self._context))
        if self.certificates is not None:
            self.certificates.start()
        if started is not None:
            started([each.getsockname() for each in self._sockets])

    async def _start(self) -> None:
        await self._lifespan.start()
        await self._runner.setup()
        assert self._runner.server is not None
        FastPath(self._runner.server, self._runner.app, self._transport)

    async def _accept(self) -> None:
        loop, protocol = asyncio.get_running_loop(), self._runner.server
        assert protocol is not None
        tls: dict[str, Any] = {}
        if self._context is not None:
            tls["ssl"] = self._context
            tls["ssl_handshake_timeout"] = self._options.handshake_timeout
            if sys.version_info >= (3, 11):
                # asyncio's own 30 seconds for a peer that does not say goodbye outlast any stop.
                tls["ssl_shutdown_timeout"] = self._options.close_timeout
        for each in self._sockets:
            server: asyncio.AbstractServer = await loop.create_server(
                protocol, sock=each, backlog=ACCEPTED_AT_ONCE, start_serving=False, **tls
            )
            # Here at once, so that it is closed whatever fails next.
            self._servers.append(server)
            await server.start_serving()
            # It has set the backlog to what it accepts at once.
            each.listen(self._where.backlog)

    async def stop(self) -> None:
        """Stop accepting, stop the driver, then end the application and every connection."""
        try:
            if self.certificates is not None:
                self.certificates.stop()
            try:
                await self._stop_accepting()
            finally:
                await self._lifespan.stop()
        finally:
            try:
                await self._end()
            finally:
                close_all(self._sockets)
                self._where.remove_file()
                self._transport.server = None

    async def _stop_accepting(self) -> None:
        # Whoever comes from now on waits in systemd's socket. So nobody shall be refused who came
        # just before, and whose request is on its way.
        is_for_later = self._where.is_given and self._lifespan.takes_events
        loop = asyncio.get_running_loop()
        if is_for_later and isinstance(loop, asyncio.SelectorEventLoop):
            # The close() below drops what asyncio has accepted in this turn of its loop.
            for each in self._sockets:
                loop.remove_reader(each)
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()
        if is_for_later:
            await asyncio.sleep(LAST_REQUESTS)
        if self._runner.server is not None:
            self._draining.add(each.transport for each in self._runner.server.connections)

    async def _end(self) -> None:
        server = self._runner.server
        if server is None:
            # The start has failed. What had started in the application ends all the same.
            await self._end_application(self._runner.cleanup(), "on_cleanup of server_app", 0)
            return
        # What has arrived shall reach its handler, which refuses it.
        await asyncio.sleep(0)
        server.pre_shutdown()
        try:
            await self._end_application(self._app.shutdown(), "on_shutdown of server_app", 1)
        finally:
            try:
                await self._end_connections(server)
            finally:
                await self._end_application(self._app.cleanup(), "on_cleanup of server_app", 0)

    async def _end_connections(self, server: web.Server) -> None:
        deadline = self._lifespan.deadline
        with deadline.peers() as seconds:
            self._draining.unsent()
            # aiohttp waits so long for handlers, and as long again for those that it has cancelled;
            # older versions wait without limit for a handler that refuses to be cancelled.
            ending = server.shutdown(seconds / 2 or SHORTEST_TIMEOUT)
            least = max(seconds, deadline.for_grace)
            await end_within(ending, least, deadline, "requests of server_app")
        with deadline.peers() as seconds:
            unsent = await self._draining.finish(seconds)
        if unsent:
            deadline.all_ended = False
            logger.warning("Dropped {} connection(s) that have not taken their answers", unsent)

    async def _end_application(
        self, ending: Coroutine[Any, Any, Any], label: str, behind: int
    ) -> None:
        """Run what a user's application does at its end: in the time of hooks, or the grace."""
        deadline = self._lifespan.deadline
        seconds = deadline.for_hooks(behind)
        if seconds > 0:
            await end_within(ending, seconds, deadline, label)
        else:
            with deadline.grace() as grace:
                await end_within(ending, grace / 2, deadline, label)


def make_runner(app: web.Application, options: DriverOptions) -> web.AppRunner:
    """Make aiohttp's runner, not set up yet."""
    access_log = logging.getLogger("nonebot_aiohttp.access") if options.access_log else None
    return web.AppRunner(
        app,
        handle_signals=False,
        access_log=access_log,
        access_log_class=AccessLog,
        logger=logging.getLogger(SERVER),
        keepalive_timeout=options.keepalive_timeout,
        # Signatures are over the bytes as they came.
        auto_decompress=False,
        max_line_size=options.max_header_size,
        max_field_size=options.max_header_size,
    )
