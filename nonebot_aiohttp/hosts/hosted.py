"""``HostedDriver``: how users run a driver, the same for every face."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import web

from ..exceptions import LifecycleError
from ..log import logger
from ..reverse.asgi_transport import Application
from .host import Host
from .listening import Listening

_Self = TypeVar("_Self", bound="HostedDriver")


def check_arguments(names: Collection[str]) -> None:
    """Check the arguments of a ``run`` that takes any, as NoneBot passes them on.

    Raises:
        TypeError: Some are not those of ``HostedDriver.run``; people know uvicorn's.
    """
    known = [*inspect.signature(HostedDriver.run).parameters][1:]
    if unknown := [name for name in names if name not in known]:
        text = f"run() has no argument {', '.join(unknown)}: it takes {', '.join(known)}"
        if "reload" in unknown:
            text = f"{text}; to reload write `nb run --reload`"
        raise TypeError(f"{text}; settings of the server begin with AIOHTTP_ and stand in .env")


class HostedDriver:
    """Runs in a process of its own, in an aiohttp application, or under an ASGI server."""

    _host: Host
    _name_in_code = "driver"

    @property
    def type(self) -> str:
        """Always ``"aiohttp"``."""
        return "aiohttp"

    @property
    def logger(self) -> Any:
        """The loguru logger, which is NoneBot2's, too."""
        return logger

    @property
    def asgi(self) -> Application:
        """The driver as an ASGI 3 application that serves the same endpoints."""
        return self._host.asgi

    def attach(self, app: web.Application) -> None:
        """Serve at the root of an application that exists, and live and stop with it.

        The application's own routes come first, and it answers paths of names that no adapter has.

        Args:
            app: The application, not started yet.
        """
        self._host.attach(app)

    @asynccontextmanager
    async def lifespan(self: _Self) -> AsyncIterator[_Self]:
        """Start, and stop at the end: for hosts that forward no lifespan events.

        Yields:
            The driver, running.

        Raises:
            StartupError: A startup hook failed.
            SetupError: A forward connection can never work.
        """
        async with self._host.running():
            yield self

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        mode: int | None = None,
        sock: socket.socket | None = None,
        ssl_context: ssl.SSLContext | None = None,
        listen: bool = True,
    ) -> None:
        """Run in this process until SIGINT, SIGTERM or ``exit()``.

        If systemd has opened sockets, they are served instead of ``host``, ``port`` and ``path``.
        If its unit has ``Type=notify``, systemd is told of the start, the stop and the status.

        Args:
            host: Where to listen; None is ``config.host``.
            port: The port; None is ``config.port``, 0 lets the system choose.
            path: A Unix socket to listen on instead.
            mode: Mode of its file, such as ``0o660``; None is ``aiohttp_socket_mode``.
            sock: A bound socket to listen on instead.
            ssl_context: Serve TLS; None takes ``aiohttp_ssl_certfile``, or else serves plain.
            listen: False listens nowhere: for a process that only connects to platforms.

        Raises:
            SystemExit: With 1 when the start failed, with 130 when a second Ctrl+C forced the end.
            LifecycleError: An event loop runs already, as in an async function or in Jupyter.
        """
        if asyncio._get_running_loop() is not None:
            raise LifecycleError(
                "run() makes an event loop of its own, but one runs here already: write"
                f" `await {self._name_in_code}.serve()` instead"
            )
        where = Listening(host, port, path, mode, sock, ssl_context)
        self._host.run(where if listen else None)

    async def serve(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        mode: int | None = None,
        sock: socket.socket | None = None,
        ssl_context: ssl.SSLContext | None = None,
        listen: bool = True,
        started: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        """Run on a loop that runs already, until ``exit()`` or cancellation; touches no signals.

        Nor does it tell systemd anything, or take its sockets: the program may be more than this.

        Args:
            host: See ``run``.
            port: See ``run``.
            path: See ``run``.
            mode: See ``run``.
            sock: See ``run``.
            ssl_context: See ``run``.
            listen: See ``run``.
            started: Called with the addresses once connections are accepted.

        Raises:
            StartupError: A port is in use, or a startup hook failed.
            SetupError: A forward connection can never work.
            LifecycleError: It runs already.
        """
        where = Listening(host, port, path, mode, sock, ssl_context)
        await self._host.serve(where if listen else None, started)

    def exit(self) -> None:
        """Stop ``run()`` or ``serve()`` from code; may be called from any thread."""
        self._host.exit()
