"""Addresses that behave in a chosen way, and limits of time."""

import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from aiohttp import web


@asynccontextmanager
async def serving(
    app: web.Application, port: int = 0, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve an application on a port, 0 for a free one; at the end its connections are dropped."""
    runner = web.AppRunner(app, shutdown_timeout=0.05, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True, ssl_context=ssl_context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def is_listening(port: int) -> bool:
    """Tell whether somebody listens on a local port.

    Without connecting: a server of asyncio that is closing may stumble over a connection.
    """
    with socket.socket() as probe:
        # With it only a socket that listens is in the way, and no connection that is left.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
        return False


@contextmanager
def unanswering() -> Iterator[int]:
    """Give a port at which a connection attempt hangs: its queue is full and nobody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def timing_out(seconds: float = 5) -> Iterator[None]:
    """Assert that a timeout strikes within seconds; each library has a class of its own for it."""
    start = time.monotonic()
    try:
        yield
    except Exception as error:
        if "Timeout" not in type(error).__name__:
            raise
    else:
        raise AssertionError("no timeout has struck")
    took = time.monotonic() - start
    assert took < seconds, f"took {took:.2f} s"
