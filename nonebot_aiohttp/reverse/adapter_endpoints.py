"""The endpoints of the adapters, free of any transport.

They guard two rules: a webhook is answered 2xx only when its handler has been started, and a
connection is accepted only after the adapter's ``check_permission``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..adapters import Bot, create_bot
from ..connections.closing import INTERNAL_ERROR, POLICY_VIOLATION, TRY_AGAIN_LATER
from ..connections.connected import ConnectedBots
from ..connections.message_tasks import MessageTasks, TooManyTasks
from ..connections.open_websockets import OpenWebSockets
from ..connections.websocket import DriverWebSocket
from ..drivers import Driver, HTTPConnection, HTTPRequest, HTTPResponse
from ..exceptions import DuplicateBotError, WebSocketClosed
from ..life.tasks import TaskSet
from ..log import logger
from .answers import Unsendable, sendable
from .endpoints import Endpoints, Mismatch, Refused, plain
from .gate import Gate
from .headers import join_headers

_IS_WEBSOCKET = {"": False, "/": False, "/http": False, "/http/": False, "/ws": True, "/ws/": True}
"""What may stand behind an adapter's name in a path."""

ACKNOWLEDGED = HTTPResponse(200)
"""What an event gets to which its adapter answers nothing; nobody may change it."""

LONGEST_ID = 256
"""Characters that a bot's id may have."""

_ALLOWED = {False: frozenset({"POST"}), True: frozenset({"GET"})}


@dataclass(frozen=True, slots=True)
class AdapterTarget:
    """What a path leads to.

    Attributes:
        adapter: An adapter's name.
        is_websocket: Whether it is the adapter's WebSocket endpoint; else its webhook.
    """

    adapter: str
    is_websocket: bool


def target_of(path: str) -> AdapterTarget | None:
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
    return AdapterTarget(adapter, is_websocket)


class AdapterEndpoints(Endpoints):
    """Decides who gets in, hands what they say to their bots, and answers."""

    headers = staticmethod(join_headers)

    def __init__(
        self,
        driver: Driver,
        gate: Gate,
        connections: ConnectedBots,
        sockets: OpenWebSockets,
        handlers: TaskSet,
    ) -> None:
        """Take the parts of the driver that these endpoints work with."""
        super().__init__()
        self._driver = driver
        self._adapters = driver._adapters
        self._gate = gate
        self._connections = connections
        self._sockets = sockets
        self._handlers = handlers

    def find(self, path: str, method: str, upgrade: bool) -> AdapterTarget | Mismatch | None:
        """Find the adapter that a path names; see ``Endpoints.find``."""
        known: AdapterTarget | None = self.webhooks.get(path) if method == "POST" else None
        if known is not None:
            return known
        target = target_of(path)
        if target is None:
            return None
        if method not in _ALLOWED[target.is_websocket]:
            return Mismatch(target, _ALLOWED[target.is_websocket])
        # Those of registered adapters are few; other names are made up by peers.
        # One with a percent sign in it is not what a path that came so would be decoded to.
        if not target.is_websocket and target.adapter in self._adapters and "%" not in path:
            self.webhooks[path] = target
        return target

    def is_served(self, target: AdapterTarget) -> bool:
        """Tell whether an adapter of that name is registered."""
        return target.adapter in self._adapters

    def refuse(self, target: AdapterTarget, refused: Refused) -> HTTPResponse:
        """Log what a transport refuses by itself; see ``Endpoints.refuse``."""
        return self._answer(target.adapter, refused)

    def unavailable(self, target: AdapterTarget, connection: HTTPConnection) -> HTTPResponse | None:
        """Refuse what nobody takes now; see ``Endpoints.unavailable``."""
        try:
            self._admit(target, connection)
        except Refused as refused:
            return self._answer(target.adapter, refused)
        return None

    def _admit(self, target: AdapterTarget, connection: HTTPConnection) -> type[Bot]:
        """Find the adapter of what is let in.

        Raises:
            Refused: It is not, or nobody is registered.
        """
        self._gate.admit(connection)
        adapter = self._adapters.get(target.adapter)
        if adapter is None:
            raise Refused(404, "no such adapter")
        return adapter

    async def http(self, target: AdapterTarget, request: HTTPRequest) -> HTTPResponse:
        """Take one webhook and answer it when the adapter has decided; see ``Endpoints.http``."""
        name, gate = target.adapter, self._gate
        try:
            adapter = self._admit(target, request)
        except Refused as refused:
            return self._answer(name, refused)
        gate.inflight += 1
        try:
            self_id, response = await adapter.check_permission(self._driver, request)
            if not is_id(self_id):
                raise refusal_of(self_id, response)
            # Before the handler: after a 500 the platform sends the event again.
            answer = ACKNOWLEDGED if response is None else sendable_of(response)
            bot = create_bot(adapter, self._driver, self_id, request)
            if not gate.lifespan.running:
                raise gate.not_running()
            running = self._handlers.start(bot.handle_message(request.body), name)
            if running is not None:
                # It keeps a place when this request leaves its own.
                gate.inflight += 1
                running.add_done_callback(self._leave)
            return answer
        except Exception as error:
            return self._answer(name, error)
        finally:
            gate.inflight -= 1

    def _leave(self, _task: asyncio.Task[Any]) -> None:
        self._gate.inflight -= 1

    async def websocket(
        self, target: AdapterTarget, socket: DriverWebSocket
    ) -> HTTPResponse | None:
        """Serve one WebSocket from the handshake to its end; see ``Endpoints.websocket``."""
        name = target.adapter
        # From here on, for an adapter may accept it and be slow to decide when the stop comes.
        self._sockets.add(socket)
        try:
            bot = await self._enter(target, socket)
            logger.info("Bot {} of {} connected", bot.self_id, name)
            try:
                limit = self._gate.limit
                starter = MessageTasks(self._handlers, bot.handle_message, name, bot, limit)
                await socket.pump(starter.start)
            except WebSocketClosed as closed:
                logger.info("Bot {} of {} disconnected: {}", bot.self_id, name, closed)
            except TooManyTasks as error:
                text = "Closing the connection of bot {} of {}: {}"
                logger.warning(text, bot.self_id, name, error)
                await socket.end(TRY_AGAIN_LATER, str(error))
            finally:
                self._connections.disconnect(bot, name)
            return None
        except Exception as error:
            return await self._turn_away(name, socket, error)
        finally:
            self._sockets.remove(socket)

    async def _enter(self, target: AdapterTarget, socket: DriverWebSocket) -> Bot:
        """Accept a connection as its bot's only one.

        Raises:
            Exception: It is not let in.
        """
        adapter = self._admit(target, socket)
        self_id, response = await adapter.check_permission(self._driver, socket)
        if not is_id(self_id):
            raise refusal_of(self_id, response)
        async with self._connections.slot(self_id, socket):
            if not self._gate.lifespan.running:
                raise self._gate.not_running()
            bot = create_bot(adapter, self._driver, self_id, socket)
            await socket.accept()
            self._connections.connect(bot, target.adapter)
        return bot

    async def _turn_away(
        self, name: str, socket: DriverWebSocket, error: Exception
    ) -> HTTPResponse | None:
        if isinstance(error, WebSocketClosed) and socket.gone:
            logger.debug("A WebSocket of {} ended in its handshake: {}", name, error)
            answer = HTTPResponse(400)
        else:
            answer = self._answer(name, error)
        if not socket.accepted:
            return answer
        # The adapter has accepted it already: a close code says what no response can any more.
        code = INTERNAL_ERROR if answer.status >= 500 else POLICY_VIOLATION
        await socket.end(code, f"refused with {answer.status}")
        return None

    def _known(self, name: str) -> str:
        # A name that nobody registered is the peer's text, and has no business in the log.
        return name if name in self._adapters else "an unknown adapter"

    def _answer(self, name: str, error: Exception) -> HTTPResponse:
        """Say what kept a request out, to its sender and in the log."""
        if isinstance(error, DuplicateBotError):
            error = Refused(409, str(error))
        if isinstance(error, Refused):
            return self._gate.refuse(self._known(name), error)
        if isinstance(error, Unsendable):
            self._gate.warn(f"The adapter {name} has made a response that cannot be sent: {error}")
        else:
            self._handlers.failures.log(f"The adapter {name} failed on a request", error)
        return plain(500, "the adapter failed")


def is_id(self_id: Any) -> TypeGuard[str]:
    """Tell whether an adapter's id can be a bot's: peers make ids up, and the log shows them.

    Args:
        self_id: What the adapter has made of what the peer has sent.
    """
    text = str(self_id)
    return bool(self_id) and len(text) <= LONGEST_ID and text.isprintable()


def refusal_of(self_id: Any, response: Any) -> Refused:
    """Refuse as the adapter wants it, or an id that cannot be shown.

    Line feeds and bytes that are no text would forge lines of the log, or break it.

    Args:
        self_id: The id that the adapter made of what the peer has sent; empty is the adapter's no.
        response: The adapter's response; None is 401.

    Returns:
        The refusal.

    Raises:
        Unsendable: The response has no form on the wire.
    """
    if self_id:
        return Refused(400, f"the bot's id is no printable text of up to {LONGEST_ID} characters")
    answer = None if response is None else sendable_of(response)
    refused = Refused(401 if answer is None else answer.status, "the adapter refused")
    if answer is not None:
        refused.response = answer
    return refused


def sendable_of(response: Any) -> HTTPResponse:
    """Make what is sent of an adapter's response; one of another framework may be duck-typed.

    Args:
        response: The response.

    Raises:
        Unsendable: It has no form on the wire.
    """
    return sendable(response.status, response.body, response.headers)
