"""The own process's server: sockets first, then the application, and the stop in order.

aiohttp's runner makes the server; starting and stopping it is done here, step by step, because the
runner's own ``cleanup()`` knows no deadline.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from yarl import URL

from ..exceptions import ValidationError
from ..life.deadline import Deadline
from ..life.lifespan import Lifespan
from ..life.waiting import Stopped, end_within, race
from ..log import logger
from ..options import DriverOptions
from ..reverse.aiohttp_transport import AiohttpTransport
from .access_log import AccessLog
from .direct import Direct
from .draining import Leaving
from .library_loggers import SERVER
from .listening import BACKLOG, close_all, listen, listen_unix, port_number

ACCEPTED_AT_ONCE = 128
"""Connections that asyncio accepts in one turn of the event loop."""

SHORTEST_TIMEOUT = 0.01
"""Seconds for which aiohttp waits where none are left: it takes 0 for no limit."""


@dataclass(frozen=True)
class Listening:
    """Where to listen.

    Attributes:
        host: Name or address; an empty one is all interfaces.
        port: The port, or its digits as text; 0 lets the system choose.
        path: A Unix socket instead, or None.
        sock: A bound socket instead, or None.
        ssl_context: Serve TLS with it; None takes the settings' certificate, or else serves plain.
        mode: Mode of the Unix socket's file; None is that of the settings.
    """

    host: str
    port: int | str
    path: str | os.PathLike[str] | None = None
    sock: socket.socket | None = None
    ssl_context: ssl.SSLContext | None = None
    mode: int | None = None

    def open(self, options: DriverOptions) -> list[socket.socket]:
        """Bind and listen.

        Returns:
            The sockets.

        Raises:
            StartupError: An address cannot be bound.
            ValidationError: The port is not a valid port number.
        """
        if self.sock is not None:
            return [self.sock]
        if self.path is not None:
            mode = int(options.socket_mode, 8) if self.mode is None else self.mode
            return [listen_unix(self.path, mode)]
        return listen(self.host, port_number(self.port))

    def context(self, options: DriverOptions) -> ssl.SSLContext | None:
        """Find the TLS context to serve with.

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
    face: AiohttpTransport,
    lifespan: Lifespan,
    where: Listening,
    options: DriverOptions,
    stop: asyncio.Event,
    started: Callable[[list[Any]], Any] | None,
    hint: str = "",
) -> None:
    """Serve an application until the stop, and stop in order.

    Args:
        app: The driver's application.
        face: What answers webhooks that are known.
        lifespan: The driver's life, which begins before the application's and ends before it.
        where: Where to listen.
        options: The driver's settings.
        stop: Set to stop.
        started: Called with the addresses once connections are accepted.
        hint: What a person can do meanwhile, for the log.

    Raises:
        StartupError: An address cannot be bound, or a startup hook failed.
        ValidationError: The port is not a valid port number, or a file of TLS cannot be used.
    """
    context = where.context(options)
    sockets = where.open(options)
    runner = make_runner(app, options)
    servers: list[asyncio.AbstractServer] = []
    leaving = Leaving()
    try:
        # Raced, for a startup hook that hangs must not hold up the stop.
        await race(_start(lifespan, runner, face), stop, grace=lifespan.start_grace)
        await accept(runner, sockets, context, options, servers)
        for each in sockets:
            logger.info("Listening on {}", url_of(each, context))
        if started is not None:
            started([each.getsockname() for each in sockets])
        await stop.wait()
        log_stopping(options, hint)
    except Stopped:
        logger.info("Stopped before the startup had ended")
    finally:
        try:
            for server in servers:
                server.close()
            if runner.server is not None:
                leaving.take(each.transport for each in runner.server.connections)
            await lifespan.stop()
        finally:
            try:
                await end_server(runner, app, leaving, lifespan.deadline)
            finally:
                close_all(sockets)
                remove_socket_file(where.path)
                face.server = None
    log_stopped(lifespan.deadline)


async def _start(lifespan: Lifespan, runner: web.AppRunner, face: AiohttpTransport) -> None:
    await lifespan.start()
    await runner.setup()
    assert runner.server is not None
    Direct(runner.server, runner.app, face)


def log_stopping(options: DriverOptions, hint: str) -> None:
    """Log that the stop begins, how long it may take, and what a person can do meanwhile."""
    logger.info("Stopping, up to {:g} s for what runs{}", options.drain_timeout, hint)


def log_stopped(deadline: Deadline) -> None:
    """Log how the stop went; what was cut off is logged already."""
    logger.info("Stopped" if deadline.all_ended else "Stopped; not all that ran has ended")


def make_runner(app: web.Application, options: DriverOptions) -> web.AppRunner:
    """Make the runner of the own process.

    Returns:
        The runner, not set up yet.
    """
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


async def accept(
    runner: web.AppRunner,
    sockets: list[socket.socket],
    context: ssl.SSLContext | None,
    options: DriverOptions,
    servers: list[asyncio.AbstractServer],
) -> None:
    """Accept connections, and add each server as soon as there is one to close."""
    loop, protocol = asyncio.get_running_loop(), runner.server
    assert protocol is not None
    tls: dict[str, Any] = {}
    if context is not None:
        tls["ssl"] = context
        tls["ssl_handshake_timeout"] = options.handshake_timeout
        if sys.version_info >= (3, 11):
            # asyncio's own 30 seconds for a peer that does not say goodbye outlast any stop.
            tls["ssl_shutdown_timeout"] = options.close_timeout
    for each in sockets:
        server: asyncio.AbstractServer = await loop.create_server(
            protocol, sock=each, backlog=ACCEPTED_AT_ONCE, start_serving=False, **tls
        )
        servers.append(server)
        await server.start_serving()
        # It has set the backlog to what it accepts at once.
        each.listen(BACKLOG)


def url_of(listening: socket.socket, context: ssl.SSLContext | None) -> str:
    """Say where a socket listens.

    Returns:
        A URL; for a Unix socket its path behind ``http://unix:``.
    """
    scheme = "http" if context is None else "https"
    name = listening.getsockname()
    if isinstance(name, tuple):
        return str(URL.build(scheme=scheme, host=name[0], port=name[1]))
    return f"{scheme}://unix:{name}"


async def end_server(
    runner: web.AppRunner, app: web.Application, leaving: Leaving, deadline: Deadline
) -> None:
    """End aiohttp's server and the application within the deadline, with all connections."""
    server = runner.server
    if server is None:
        # The start has failed, and what had started in the application ends all the same.
        await _end_application(runner.cleanup(), deadline, "on_cleanup of server_app")
        return
    # What has arrived shall meet its handler, which refuses it.
    await asyncio.sleep(0)
    server.pre_shutdown()
    try:
        await _end_application(app.shutdown(), deadline, "on_shutdown of server_app")
    finally:
        try:
            await _end_connections(server, leaving, deadline)
        finally:
            await _end_application(app.cleanup(), deadline, "on_cleanup of server_app")


async def _end_connections(server: web.Server, leaving: Leaving, deadline: Deadline) -> None:
    with deadline.peers() as seconds:
        leaving.unsent()
        # aiohttp waits so long for handlers, and once more for those that it has cancelled; older
        # versions without limit for those that refuse.
        ending = server.shutdown(seconds / 2 or SHORTEST_TIMEOUT)
        least = max(seconds, deadline.for_grace)
        await end_within(ending, least, deadline, "requests of server_app")
    with deadline.peers() as seconds:
        unsent = await leaving.let_go(seconds)
    if unsent:
        deadline.all_ended = False
        logger.warning("Dropped {} connection(s) that have not taken their answers", unsent)


async def _end_application(
    ending: Coroutine[Any, Any, Any], deadline: Deadline, label: str
) -> None:
    """Run what a user's application does at its end: in the time of hooks, or the grace."""
    seconds = deadline.for_hooks(behind=1)
    if seconds > 0:
        await end_within(ending, seconds, deadline, label)
    else:
        with deadline.grace() as grace:
            await end_within(ending, grace / 2, deadline, label)


def remove_socket_file(path: str | os.PathLike[str] | None) -> None:
    """Remove the file of a Unix socket, as a later start expects it."""
    if path is not None:
        with suppress(FileNotFoundError):
            os.unlink(path)
