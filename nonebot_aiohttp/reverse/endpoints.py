"""``Endpoints``: what a transport needs of a face, so that each transport serves each face.

It is the only place that decides where a path leads and what is kept of that.
"""

from __future__ import annotations

import abc
import re
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from ..connections.websocket import DriverWebSocket
from ..drivers import HTTPConnection, HTTPRequest, HTTPResponse
from ..log import redact_path
from .bodies import BodyReader, NextChunk
from .gate import Gate
from .headers import Received
from .refusals import Refused, Unremarkable

LONGEST_PATH = 60
"""Characters that a line shows of an unknown path."""

MOST_WEBHOOKS = 64
"""Paths of webhooks that are kept, because peers choose them where a route has parameters."""


class Target(Protocol):
    """What a path and a method lead to."""

    @property
    def is_websocket(self) -> bool:
        """Whether it is a WebSocket endpoint; otherwise it is a webhook."""


@dataclass(frozen=True)
class Mismatch:
    """A path that is known, but not with that method.

    Attributes:
        target: What the path leads to with another method.
        allowed: The methods that the path allows.
        path: The path.
    """

    target: Any
    allowed: frozenset[str]
    path: str = ""


@dataclass(frozen=True)
class Neighbours:
    """What may be meant by a wrong path.

    Attributes:
        name: Whose paths they are, without text that the peer has made up.
        webhooks: The paths of webhooks, as the log may show them.
        websockets: The paths of WebSockets, as the log may show them.
        adapter: The name of the adapter.
    """

    name: str
    webhooks: list[str]
    websockets: list[str]
    adapter: str


class Endpoints(abc.ABC):
    """The endpoints of one face, which know nothing of transports.

    A ``target`` is always one that ``find`` has returned.

    Attributes:
        decode_text: Whether this face wants text frames as str rather than as bytes.
        gate: Decides who comes in.
        answered: For each adapter how many webhooks were answered with each class of status, by its
            first digit; an empty name stands for adapters that are not registered.
        webhooks: The webhooks that ``find`` has found, by path, and would find again: the own
            process takes them past aiohttp's router.
    """

    decode_text = False

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.answered: dict[str, list[int]] = {}
        self.webhooks: dict[str, Any] = {}

    def find(self, path: str, method: str, upgrade: bool) -> Any:
        """Find what a request is for.

        Args:
            path: The path below the driver's prefix; see ``decoded``.
            upgrade: Whether the request asks for a WebSocket.

        Returns:
            A ``Target``; a ``Mismatch`` where only the method is wrong; None for an unknown path.
        """
        if method != "POST":
            return self._look_up(path, method, upgrade)
        known = self.webhooks.get(path)
        if known is not None:
            return known
        found = self._look_up(path, method, upgrade)
        # The own process looks up paths that are not decoded yet. A decoded one with a percent
        # sign would match what decodes to another path.
        if is_target(found) and self.is_served(found) and "%" not in path:
            if len(self.webhooks) >= MOST_WEBHOOKS:
                # A peer makes up paths that match a pattern; those in use come back.
                self.webhooks.clear()
            self.webhooks[path] = found
        return found

    @abc.abstractmethod
    def _look_up(self, path: str, method: str, upgrade: bool) -> Target | Mismatch | None:
        """Find what a request is for; see ``find``."""

    @abc.abstractmethod
    def is_served(self, target: Any) -> bool:
        """Tell whether an adapter stands behind a target."""

    @abc.abstractmethod
    def name_of(self, target: Any) -> str:
        """Name a target for the log, without text that the peer has made up."""

    @abc.abstractmethod
    def path_of(self, target: Any) -> str:
        """Return the path of a target below the prefix, with ``{name}`` where paths differ."""

    @abc.abstractmethod
    def adapter_of(self, target: Any) -> str:
        """Return the name of a target's adapter; empty if no such adapter is registered."""

    def admit(self, target: Any, connection: HTTPConnection) -> None:
        """Decide, before a body is waited for, whether a request or a handshake comes in.

        Raises:
            Refused: It does not.
        """
        self.gate.admit(connection)
        if not self.is_served(target):
            raise Refused(404, "no such adapter", detail=redact_path(target.adapter))

    def refuse(self, target: Any, refused: Refused, source: Any) -> HTTPResponse:
        """Log a refusal, and give the response that says why; for ``source`` see ``address_of``."""
        kind, name = "WebSocket" if target.is_websocket else "webhook", self.name_of(target)
        if not target.is_websocket:
            self.count(target, refused.status)
        what = f"a {kind} of {name}"
        return self.gate.refuse(what, refused, source, self.adapter_of(target))

    def count(self, target: Any, status: int) -> None:
        """Count the answer to a webhook."""
        counts = self.answered.setdefault(self.adapter_of(target), [0] * 6)
        counts[status // 100] += 1

    def neighbours(self, path: str) -> Neighbours | None:
        """Find the paths that may be meant by a wrong one; None if nothing like it is served."""
        return None

    def refuse_path(
        self, path: str, source: Any, method: str, upgrade: bool = False
    ) -> HTTPResponse:
        """Refuse a path that no endpoint has; for ``source`` see ``address_of``.

        One that is like an endpoint's is a mistake at the platform, so somebody has to act. A plain
        GET of the root is how monitors ask whether the process is up, and has no line.
        """
        if path == "/" and method in ("GET", "HEAD") and not upgrade:
            return Unremarkable(404, "not found").response
        kind = "WebSocket" if upgrade else "request"
        shown = redact_path(path)[:LONGEST_PATH]
        near = self.neighbours(path)
        if near is None:
            return self.gate.refuse(f"a {kind}", Unremarkable(404, "not found", shown), source)
        known = near.websockets if upgrade and near.websockets else near.webhooks + near.websockets
        detail = f"{shown}{_instead(known)}"
        refused = Refused(404, "not found", detail)
        return self.gate.refuse(f"a {kind} of {near.name}", refused, source, near.adapter)

    def refuse_method(
        self, found: Mismatch, source: Any, method: str, upgrade: bool = False
    ) -> HTTPResponse:
        """Refuse a method (RFC 9110, section 15.5.6), or a path that no adapter serves."""
        if not self.is_served(found.target):
            refused = Unremarkable(404, "not found", redact_path(found.path)[:LONGEST_PATH])
            return self.refuse(found.target, refused, source)
        near, detail = self.neighbours(found.path), ""
        # A platform has the URL of webhooks for its WebSocket, or the other way round.
        if upgrade and not found.target.is_websocket:
            known = near.websockets if near else []
            detail = f"a WebSocket came to the path of webhooks{_instead(known)}"
        elif method == "POST" and found.target.is_websocket:
            known = near.webhooks if near else []
            detail = f"a webhook came to the path of WebSockets{_instead(known)}"
        kind = Refused if detail else Unremarkable
        allow = ", ".join(sorted(found.allowed))
        return self.refuse(
            found.target, kind(405, "method not allowed", detail, allow=allow), source
        )

    @abc.abstractmethod
    def headers(self, received: Received) -> Any:
        """Make the header mapping that the requests of this face have."""

    async def answer(
        self,
        target: Any,
        request: HTTPRequest,
        bodies: BodyReader,
        next_chunk: NextChunk,
        source: Any = None,
    ) -> HTTPResponse:
        """Let a webhook in, read its body, and answer it; for ``source`` see ``address_of``."""
        try:
            self.admit(target, request)
            bodies.check_declared(request.headers)
            request.body = await bodies.read(next_chunk)
        except Refused as refused:
            return self.refuse(target, refused, source)
        return await self.http(target, request, source)

    @abc.abstractmethod
    async def http(self, target: Any, request: HTTPRequest, source: Any = None) -> HTTPResponse:
        """Answer one HTTP request, whose body is complete; for ``source`` see ``address_of``."""

    @abc.abstractmethod
    async def websocket(
        self, target: Any, websocket: DriverWebSocket, source: Any = None
    ) -> HTTPResponse | None:
        """Serve one WebSocket from the handshake to its end; for ``source`` see ``address_of``.

        Returns:
            None after the end of an accepted connection; otherwise the response that refuses it.
        """


def _instead(paths: list[str]) -> str:
    """Say at the end of a line which path a platform has to use; without paths say nothing."""
    *others, last = paths or [""]
    path = f"{', '.join(others)} or {last}" if others else last
    return f"; the platform has to use {path}" if path else ""


def is_target(found: Any) -> bool:
    """Tell whether ``Endpoints.find`` has found more than the path."""
    return found is not None and not isinstance(found, Mismatch)


_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


def decoded(raw_path: str) -> str:
    """Decode a path for ``Endpoints.find``, in which an encoded slash stays ``%2F``.

    An encoded slash separates nothing (RFC 3986, section 2.2): a proxy that protects
    ``/onebot/ws`` has not read ``/onebot%2Fws`` as that.
    """
    if "%" not in raw_path:
        return raw_path
    return "%2F".join(map(unquote, _ENCODED_SLASH.split(raw_path)))
