"""The endpoints of the adapters, free of any transport.

They guard two rules: a webhook is answered 2xx only when its handler has been started, and a
connection is accepted only after the adapter's ``check_permission``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..adapters import Bot, create_bot
from ..bots import Connections, message_starter
from ..drivers import Driver, HTTPConnection, HTTPRequest, HTTPResponse
from ..exceptions import DuplicateBotError, WebSocketClosed
from ..log import log_exception, logger
from ..tasks import TaskSet
from ..websocket import OpenSockets, Socket
from .gate import Gate
from .interface import Reachable, ReadBody, Refused

_IS_WEBSOCKET = {"": False, "/": False, "/http": False, "/http/": False, "/ws": True, "/ws/": True}
"""What may stand behind an adapter's name in a path."""

_ALLOWED = {False: frozenset({"POST"}), True: frozenset({"GET"})}

_OK = HTTPResponse(200)


class Target(NamedTuple):
    """What a path leads to.

    Attributes:
        adapter: An adapter's name.
        is_websocket: Whether it is the adapter's WebSocket endpoint; else its webhook.
    """

    adapter: str
    is_websocket: bool


def target_of(path: str) -> Target | None:
    """Find out what a path leads to.

    Args:
        path: The path below the driver's prefix, decoded: ``/onebot/ws``.

    Returns:
        The target; None for a path that no endpoint has.
    """
    adapter, slash, rest = path[1:].partition("/")
    is_websocket = _IS_WEBSOCKET.get(slash + rest)
    if is_websocket is None or not adapter or path[0] != "/":
        return None
    return Target(adapter, is_websocket)


def join_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Make the contract's header dictionary.

    Args:
        pairs: Names and values in the order of the request.

    Returns:
        Lowercased names; the values of a repeated one joined in their order by ``", "``
        (RFC 9110, section 5.3), those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
    """
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        if name in headers:
            separator = "; " if name == "cookie" else ", "
            value = f"{headers[name]}{separator}{value}"
        headers[name] = value
    return headers


class Endpoints(Reachable):
    """Decides who gets in, hands what they say to their bots, and answers."""

    def __init__(
        self,
        driver: Driver,
        gate: Gate,
        connections: Connections,
        sockets: OpenSockets,
        handlers: TaskSet,
    ) -> None:
        """Take the parts of the driver that these endpoints work with.

        Args:
            driver: Whose adapters these are.
            gate: Lets requests in.
            connections: Where bots with a WebSocket are entered.
            sockets: Where the open WebSockets are kept for the stop.
            handlers: Where the tasks of the message handlers go.
        """
        self._driver = driver
        self._adapters = driver._adapters
        self._gate = gate
        self._connections = connections
        self._sockets = sockets
        self._handlers = handlers

    def find(self, path: str, method: str, upgrade: bool) -> Target | frozenset[str] | None:
        """Find the adapter that a path names; see ``Reachable.find``."""
        target = target_of(path)
        if target is not None and method not in _ALLOWED[target.is_websocket]:
            return _ALLOWED[target.is_websocket]
        return target

    def is_served(self, target: Target) -> bool:
        """Tell whether an adapter of that name is registered."""
        return target.adapter in self._adapters

    def headers(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Make the contract's header dictionary; see ``join_headers``."""
        return join_headers(pairs)

    async def http(self, target: Target, request: HTTPRequest, read_body: ReadBody) -> HTTPResponse:
        """Take one webhook and answer it when the adapter has decided; see ``Reachable.http``."""
        name = target.adapter
        try:
            adapter = self._admit(name, request)
        except Refused as refused:
            return self._gate.refuse(self._known(name), refused)
        self._gate.enter()
        started = False
        try:
            request.body = await read_body()
            self_id, response = await self._check(name, adapter, request)
            bot = create_bot(adapter, self._driver, self._driver.config, self_id, request)
            self._gate.must_run()
            self._handlers.start(bot.handle_message(request.body), name, self._gate.leave)
            started = True
            return response or _OK
        except Refused as refused:
            return self._gate.refuse(self._known(name), refused)
        except Exception as error:
            return self._failed(name, error)
        finally:
            if not started:
                self._gate.leave()

    async def websocket(self, target: Target, socket: Socket) -> HTTPResponse | None:
        """Serve one WebSocket from the handshake to its end; see ``Reachable.websocket``."""
        name = target.adapter
        try:
            adapter = self._admit(name, socket)
            self_id, _ = await self._check(name, adapter, socket)
            async with self._connections.slot(self_id):
                self._gate.must_run()
                bot = create_bot(adapter, self._driver, self._driver.config, self_id, socket)
                await socket.accept()
                self._sockets.add(socket)
                self._connections.connect(bot, name)
        except Refused as refused:
            return self._gate.refuse(self._known(name), refused)
        except DuplicateBotError as error:
            return self._gate.refuse(name, Refused(409, str(error)))
        except WebSocketClosed as closed:
            logger.debug("A WebSocket of {} ended in its handshake: {}", name, closed)
            return HTTPResponse(400)
        except Exception as error:
            return self._failed(name, error)
        logger.info("Bot {} of {} connected", self_id, name)
        await self._serve(name, bot, socket)
        return None

    async def _serve(self, name: str, bot: Bot, socket: Socket) -> None:
        try:
            await socket.pump(message_starter(self._handlers, bot, name))
        except WebSocketClosed as closed:
            logger.info("Bot {} of {} disconnected: {}", bot.self_id, name, closed)
        finally:
            self._connections.disconnect(bot, name)
            self._sockets.remove(socket)

    def _admit(self, name: str, connection: HTTPConnection) -> type[Bot]:
        """Decide what needs neither the body nor the adapter.

        Raises:
            Refused: The request is not let in.
        """
        self._gate.admit(connection)
        adapter = self._adapters.get(name)
        if adapter is None:
            raise Refused(404, "no such adapter")
        return adapter

    async def _check(
        self, name: str, adapter: type[Bot], connection: HTTPConnection
    ) -> tuple[str, Any]:
        """Ask the adapter.

        Returns:
            The bot's id, and the adapter's response if it gave one.

        Raises:
            Refused: The adapter refuses; its own response is kept.
        """
        self_id, response = await adapter.check_permission(self._driver, connection)
        if self_id:
            return self_id, response
        status = response.status if response is not None else 401
        refused = Refused(status, "the adapter refused")
        if response is not None:
            refused.response = response
        raise refused

    def _known(self, name: str) -> str:
        # A name that nobody registered is the peer's text, and has no business in the log.
        return name if name in self._adapters else "an unknown adapter"

    def _failed(self, name: str, error: Exception) -> HTTPResponse:
        log_exception("ERROR", f"The adapter {name} failed on a request", error)
        return HTTPResponse(500, b"the adapter failed", {"content-type": "text/plain"})
