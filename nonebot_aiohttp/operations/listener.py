"""``OperatorsListener``: the application of operators on a port of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from socket import socket
from typing import Any

from aiohttp import hdrs, web

from ..exceptions import StartupError
from ..hosts.draining import DrainingConnections
from ..hosts.fast_path import refuse_expectation
from ..hosts.library_loggers import SERVER, Limited
from ..hosts.listening import close_all, listen, url_of
from ..log.own import logger
from ..options import DriverOptions
from ..reverse.answers import has_encoding
from ..settings.driver import ports_of

KEEPALIVE = 15.0
"""Seconds after which an idle connection is closed: health checks make new ones."""

SHUTDOWN = 0.2
"""Seconds that answers in flight get at the end, and as many until their peers have read them."""

LISTENING = "Listening for operators on {}"
WITHOUT_TOKEN = (
    "Listening for operators on {}; without aiohttp_ops_token only /livez and /readyz exist"
)

_Handler = Callable[[Any], Awaitable[web.StreamResponse]]


class OperatorsListener:
    """Listens from before the startup hooks until after the shutdown hooks.

    Who opens it again while it is open shares it: it closes with the last of them.

    Attributes:
        addresses: Where it listens, as ``socket.getsockname`` has it.
    """

    def __init__(self, options: DriverOptions, make: Callable[[], web.Application]) -> None:
        """Take the settings, and what makes the application."""
        self._ports = ports_of(options.ops_port or "")
        self._host = options.ops_host
        self._has_token = options.ops_token is not None
        self._make = make
        self._users = 0
        self._runner: web.AppRunner | None = None
        self.addresses: list[tuple[str, int]] = []

    async def open(self, given: Sequence[socket] = (), *, strict: bool = False) -> None:
        """Listen, if there is a port to listen on.

        Args:
            given: Sockets that listen already, which take the place of the port.
            strict: Whether it is an error if no port is free; otherwise it is a warning, because
                the workers of a server share their settings.

        Raises:
            StartupError: No port is free, and that is an error.
        """
        self._users += 1
        if self._users > 1 or (self._ports is None and not given):
            return
        sockets: list[socket] = []
        try:
            sockets += given or self._listen(self._ports or range(0))
            await self._serve(sockets)
        except StartupError as error:
            if strict:
                self._users -= 1
                raise
            text = "Operators cannot look at this process, and its bots go on: {}"
            logger.warning(text, error)
        except BaseException:
            await self.close()
            close_all(sockets)
            raise

    async def _serve(self, sockets: list[socket]) -> None:
        self._runner = web.AppRunner(
            self._make(),
            handle_signals=False,
            access_log=None,
            logger=_limited_logger(),
            keepalive_timeout=KEEPALIVE,
            shutdown_timeout=SHUTDOWN,
        )
        await self._runner.setup()
        _refuse_wrong_expectations(self._runner)
        for each in sockets:
            await web.SockSite(self._runner, each).start()
            logger.info(LISTENING if self._has_token else WITHOUT_TOKEN, url_of(each, None))
        self.addresses = [each.getsockname() for each in sockets]

    def _listen(self, ports: range) -> list[socket]:
        text = ""
        for port in ports:
            try:
                return listen(self._host, port, "aiohttp_ops_host")
            except StartupError as error:
                text = str(error)
        if len(ports) > 1:
            text = f"{text}; nor on any other of the ports {ports[0]}-{ports[-1]}"
        raise StartupError(f"{text} (aiohttp_ops_port)")

    async def close(self) -> None:
        """Listen no more, unless another one still has it open."""
        # After open() has failed nobody has it open.
        self._users = max(self._users - 1, 0)
        runner = self._runner
        if self._users == 0 and runner is not None:
            self._runner, self.addresses = None, []
            connections = DrainingConnections()
            connections.add(_transports(runner))
            try:
                await runner.cleanup()
            finally:
                # A client that does not read its answer would keep its connection open.
                await connections.finish(SHUTDOWN)

    def transports(self) -> list[asyncio.Transport | None]:
        """List the open connections."""
        return [] if self._runner is None else _transports(self._runner)


def _limited_logger() -> logging.Logger:
    """Return the logger of aiohttp's server, in which strangers cannot cause lines all day."""
    limited = logging.getLogger(f"{SERVER}.operators")
    if not limited.filters:
        limited.addFilter(Limited())
    return limited


def _refuse_wrong_expectations(runner: web.AppRunner) -> None:
    """Refuse an ``Expect`` that is not UTF-8, on which aiohttp's own handler fails."""
    assert runner.server is not None
    handle: _Handler = runner.server.request_handler

    async def answer(request: Any) -> web.StreamResponse:
        if has_encoding(request.headers.get(hdrs.EXPECT, "")):
            return await handle(request)
        return await refuse_expectation()

    runner.server.request_handler = answer


def _transports(runner: web.AppRunner) -> list[asyncio.Transport | None]:
    server = runner.server
    return [] if server is None else [each.transport for each in server.connections]
