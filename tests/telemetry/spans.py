"""Instruments aiohttp within a test, and shows the spans; and a platform that bots call."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import RawTestServer
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.support.waiting import eventually

SUBCLASS = "Inheritance class _InstrumentedApplication"
"""How the warning begins that aiohttp gives the instrumentation."""


class Spans:
    """The spans of a test, in the order in which they ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        """All that have ended."""
        found: tuple[ReadableSpan, ...] = self._exporter.get_finished_spans()
        return found

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        """Return those of a kind."""
        return [span for span in self.all if span.kind is kind]

    @property
    def servers(self) -> list[ReadableSpan]:
        """Those of requests that came in."""
        return self.of(SpanKind.SERVER)

    @property
    def clients(self) -> list[ReadableSpan]:
        """Those of requests that went out."""
        return self.of(SpanKind.CLIENT)

    async def ended(self, kind: SpanKind, count: int = 1) -> list[ReadableSpan]:
        """Wait until so many spans of a kind have ended, and return them."""
        await eventually(lambda: len(self.of(kind)) >= count, what=f"{count} spans of {kind}")
        return self.of(kind)


def number(span: ReadableSpan) -> int:
    """Return the id of a span."""
    context = span.get_span_context()
    assert context is not None
    return int(context.span_id)


def parent(span: ReadableSpan) -> int | None:
    """Return the id of the parent of a span; None for the first one of a trace."""
    return None if span.parent is None else int(span.parent.span_id)


@contextmanager
def traced(**client: Any) -> Iterator[Spans]:
    """Instrument aiohttp; the arguments are those of the client's instrumentation."""
    spans = Spans()
    server, clients = AioHttpServerInstrumentor(), AioHttpClientInstrumentor()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", SUBCLASS, DeprecationWarning)
        server.instrument(tracer_provider=spans.provider)
    clients.instrument(tracer_provider=spans.provider, **client)
    try:
        yield spans
    finally:
        server.uninstrument()
        clients.uninstrument()
        spans.provider.shutdown()


class Platform:
    """A server without an application, so that no span of its own mixes with those of the bot.

    Attributes:
        parents: The header ``traceparent`` of each request, or None.
        sockets: The WebSockets that are open.
    """

    def __init__(self) -> None:
        self.parents: list[str | None] = []
        self.sockets: list[web.WebSocketResponse] = []
        self._server = RawTestServer(self._answer)

    async def __aenter__(self) -> Platform:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def url(self, path: str, scheme: str = "http") -> str:
        """Return the URL of a path."""
        return str(self._server.make_url(path).with_scheme(scheme))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.parents.append(request.headers.get("traceparent"))
        if request.path == "/moved":
            raise web.HTTPFound("/poll")
        if "upgrade" not in request.headers:
            status = 404 if request.path.endswith("/missing") else 200
            return web.Response(status=status, text="{}", content_type="application/json")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for _ in socket:
            await asyncio.sleep(0)
        return socket
