"""The own process's server: sockets first, then the application, and the stop in order."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..exceptions import ValidationError
from ..lifespan import Lifespan
from ..log import OnceInAWhile, logger
from ..options import DriverOptions
from ..tasks import Stopped, race
from .access import AccessLog
from .listen import close_all, listen, listen_unix, port_number

FLUSH_PAUSE = 0.01
"""Seconds between looks at what is still unsent at the end."""


@dataclass(frozen=True)
class Listening:
    """Where to listen.

    Attributes:
        host: Name or address; an empty one is all interfaces.
        port: The port, or its digits as text; 0 lets the system choose.
        path: A Unix socket instead, or None.
        sock: A bound socket instead, or None.
        ssl_context: Serve TLS with it; None takes the settings' certificate, or else serves plain.
    """

    host: str
    port: int | str
    path: str | os.PathLike[str] | None = None
    sock: socket.socket | None = None
    ssl_context: ssl.SSLContext | None = None

    def open(self) -> list[socket.socket]:
        """Bind and listen.

        Returns:
            The sockets.

        Raises:
            StartupError: An address cannot be bound.
            ValidationError: The port is none.
        """
        if self.sock is not None:
            return [self.sock]
        if self.path is not None:
            return [listen_unix(self.path)]
        return listen(self.host, port_number(self.port))

    def context(self, options: DriverOptions) -> ssl.SSLContext | None:
        """Find the TLS context to serve with.

        Args:
            options: The driver's settings.

        Returns:
            The context; None serves plain.

        Raises:
            ValidationError: The settings' files are no certificate and its key.
        """
        if self.ssl_context is not None or options.ssl_certfile is None:
            return self.ssl_context
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile)
        except OSError as error:
            text = f"cannot be used with its key: {error.strerror or error}"
            raise ValidationError({"aiohttp_ssl_certfile": text}) from None
        return context


async def serve_app(
    app: web.Application,
    lifespan: Lifespan,
    where: Listening,
    options: DriverOptions,
    stop: asyncio.Event,
    started: Callable[[list[Any]], Any] | None,
) -> None:
    """Serve an application until the stop, and stop in order.

    Args:
        app: The driver's application.
        lifespan: The driver's life, which the application starts.
        where: Where to listen.
        options: The driver's settings.
        stop: Set to stop.
        started: Called with the addresses once connections are accepted.

    Raises:
        StartupError: An address cannot be bound, or a startup hook failed.
        ValidationError: The port is none, or a file of TLS is of no use.
    """
    context = where.context(options)
    sockets = where.open()
    runner = make_runner(app, options)
    try:
        # Raced, for a startup hook that hangs must not hold up the stop.
        await race(runner.setup(), stop)
        await _accept(runner, sockets, context)
        for site in runner.sites:
            logger.info("Listening on {}", site.name)
        if started is not None:
            started(runner.addresses)
        await stop.wait()
        logger.info("Stopping")
    except Stopped:
        logger.info("Stopped before the startup had ended")
    finally:
        try:
            for site in runner.sites:
                await site.stop()
            await lifespan.stop()
        finally:
            transports = open_transports(runner)
            await runner.cleanup()
            await end_connections(transports, options.close_timeout)
            close_all(sockets)
            remove_socket_file(where.path)


def make_runner(app: web.Application, options: DriverOptions) -> web.AppRunner:
    """Make the runner of the own process.

    Args:
        app: The driver's application.
        options: The driver's settings.

    Returns:
        The runner, not set up yet.
    """
    access_log = logging.getLogger("nonebot_aiohttp.access") if options.access_log else None
    return web.AppRunner(
        app,
        handle_signals=False,
        access_log=access_log,
        access_log_class=AccessLog,
        logger=server_logger(),
        keepalive_timeout=options.keepalive_timeout,
        # Signatures are over the bytes as they came.
        auto_decompress=False,
        shutdown_timeout=options.close_timeout,
    )


async def _accept(
    runner: web.AppRunner, sockets: list[socket.socket], context: ssl.SSLContext | None
) -> None:
    for listening in sockets:
        await web.SockSite(runner, listening, ssl_context=context).start()


def open_transports(runner: web.AppRunner) -> list[asyncio.Transport]:
    """List the transports of the connections that are open.

    Args:
        runner: The runner, set up or not.
    """
    connections = runner.server.connections if runner.server is not None else []
    transports = (connection.transport for connection in connections)
    return [each for each in transports if each is not None]


async def end_connections(transports: list[asyncio.Transport], timeout: float) -> None:
    """Wait until closed connections have sent what they had, and let go of them.

    With TLS they would stay open until the peer answers, and outlive the event loop.

    Args:
        transports: The connections, closed by aiohttp.
        timeout: Seconds that they have to send the rest.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    # A transport tells nobody when it has sent all.
    while _unsent(transports) and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(FLUSH_PAUSE)
    for each in transports:
        each.abort()
    await asyncio.sleep(0)


def _unsent(transports: list[asyncio.Transport]) -> bool:
    return any(each.get_write_buffer_size() for each in transports)


def remove_socket_file(path: str | os.PathLike[str] | None) -> None:
    """Remove the file of a Unix socket, as a later start expects it.

    Args:
        path: The file, or None.
    """
    if path is not None:
        with suppress(FileNotFoundError):
            os.unlink(path)


class _MalformedRequests(logging.Filter):
    """Makes one plain line of a request that is no HTTP, once in a while.

    Its traceback says nothing of the peer.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = OnceInAWhile()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "Refused a malformed HTTP request with %d", (error.code,)
        return self._lines.is_due(record.getMessage())


def server_logger() -> logging.Logger:
    """Make the logger that aiohttp's server gets in the own process.

    Each server begins anew with what it has logged just now.
    """
    server = logging.getLogger("nonebot_aiohttp.server")
    for former in tuple(server.filters):
        if isinstance(former, _MalformedRequests):
            server.removeFilter(former)
    server.addFilter(_MalformedRequests())
    return server
