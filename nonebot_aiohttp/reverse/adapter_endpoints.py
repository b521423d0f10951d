"""``AdapterEndpoints``: the endpoints of the standalone face, one pair for each adapter.

They guard two rules: a webhook is answered 2xx only when its handler has been started, and a
connection is accepted only after the adapter's ``check_permission``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

from ..adapters import Bot, create_bot
from ..connections.closing import INTERNAL_ERROR, POLICY_VIOLATION, TRY_AGAIN_LATER
from ..connections.connected import ConnectedBots
from ..connections.message_tasks import MessageTasks, TooManyTasks
from ..connections.open_websockets import OpenWebSockets
from ..connections.records import REVERSE
from ..connections.websocket import DriverWebSocket
from ..drivers import Driver, HTTPConnection, HTTPRequest, HTTPResponse
from ..exceptions import DuplicateBotError, WebSocketClosed
from ..life.tasks import TaskSet
from ..log import describe
from ..log.naming import about, connected_text, disconnected_text
from ..log.own import logger
from .answers import Unsendable, sendable
from .decisions import WrongDecision, is_decision
from .endpoints import Endpoints, Mismatch, Neighbours
from .gate import Gate
from .headers import join_headers
from .refusals import AlreadyConnected, Refused, RefusedByAdapter, address_of, plain

_IS_WEBSOCKET = {"": False, "/": False, "/http": False, "/http/": False, "/ws": True, "/ws/": True}
# By what may follow an adapter's name in a path.

LONGEST_ID = 256
"""Characters that a bot's id may have."""

_ALLOWED = {False: frozenset({"POST"}), True: frozenset({"GET"})}


@dataclass(frozen=True, slots=True)
class AdapterTarget:
    """An adapter's webhook, or its WebSocket endpoint; the adapter need not be registered."""

    adapter: str
    is_websocket: bool


def target_of(path: str) -> AdapterTarget | None:
    """Find what a decoded path below the driver's prefix leads to, such as ``/onebot/ws``."""
    adapter, slash, rest = path[1:].partition("/")
    is_websocket = _IS_WEBSOCKET.get(slash + rest)
    if is_websocket is None or not adapter or path[0] != "/":
        return None
    return AdapterTarget(adapter, is_websocket)


class AdapterEndpoints(Endpoints):
    """Decides who gets in, hands messages to their bots, and answers."""

    headers = staticmethod(join_headers)

    def __init__(
        self,
        driver: Driver,
        gate: Gate,
        connected_bots: ConnectedBots,
        websockets: OpenWebSockets,
        handlers: TaskSet,
    ) -> None:
        super().__init__(gate)
        # For type checkers adapters take only the concrete class.
        self._driver: Any = driver
        self._adapters = driver._adapters
        self._connected_bots = connected_bots
        self._websockets = websockets
        self._handlers = handlers

    def _look_up(self, path: str, method: str, upgrade: bool) -> AdapterTarget | Mismatch | None:
        target = target_of(path)
        if target is None:
            return None
        allowed = _ALLOWED[target.is_websocket]
        return target if method in allowed else Mismatch(target, allowed, path)

    def neighbours(self, path: str) -> Neighbours | None:
        """Find the paths of the adapter whose name is a part of a wrong path."""
        name = next((part for part in path.split("/") if part in self._adapters), None)
        if name is None:
            return None
        return Neighbours(name, [f"/{name}/", f"/{name}/http"], [f"/{name}/ws"], name)

    def is_served(self, target: AdapterTarget) -> bool:
        """Tell whether an adapter of that name is registered."""
        return target.adapter in self._adapters

    def name_of(self, target: AdapterTarget) -> str:
        """Name the adapter; a name that is not registered is the peer's text."""
        return self.adapter_of(target) or "an unknown adapter"

    def adapter_of(self, target: AdapterTarget) -> str:
        """Return the adapter's name if it is registered."""
        return target.adapter if self.is_served(target) else ""

    def path_of(self, target: AdapterTarget) -> str:
        """Return one path for all spellings of it; see ``Endpoints.path_of``."""
        return f"/{target.adapter}/{'ws' if target.is_websocket else ''}"

    async def http(
        self, target: AdapterTarget, request: HTTPRequest, source: Any = None
    ) -> HTTPResponse:
        """Answer one webhook when the adapter has decided; see ``Endpoints.http``."""
        try:
            self.admit(target, request)
            self.gate.enter()
            try:
                answer = await self._take(target.adapter, request)
            finally:
                self.gate.leave()
            # Written out, because the calls of count() would be a hundredth of a webhook.
            try:
                self.answered[target.adapter][answer.status // 100] += 1
            except KeyError:
                self.count(target, answer.status)
            return answer
        except Exception as error:
            return self._answer(target, error, source)

    async def _take(self, name: str, request: HTTPRequest) -> HTTPResponse:
        """Ask the adapter, and start the handler of the event.

        Raises:
            Exception: The adapter has refused, or failed.
        """
        adapter = self._adapters[name]
        self_id, response = await self._ask(adapter, request)
        # Before the handler, because after a 500 the platform sends the event again.
        answer = HTTPResponse(200) if response is None else sendable_of(response)
        bot = create_bot(adapter, self._driver, self_id, request)
        self.gate.check_running()
        running = self._handlers.start(bot.handle_message(request.body), name, bot)
        if running is not None:
            # The handler is in flight when its request is not any more.
            self.gate.enter()
            running.add_done_callback(self.gate.leave)
        return answer

    async def websocket(
        self, target: AdapterTarget, websocket: DriverWebSocket, source: Any = None
    ) -> HTTPResponse | None:
        """Serve one WebSocket from the handshake to its end; see ``Endpoints.websocket``."""
        name = target.adapter
        # From here on, because an adapter may accept it itself and be slow when the stop comes.
        self._websockets.add(websocket)
        try:
            bot = await self._enter(target, websocket)
            whose = about(name, bot.self_id, address_of(source))
            logger.info("{}", connected_text(bot.self_id, name, REVERSE), **whose)
            try:
                limit = self.gate.limit
                starter = MessageTasks(self._handlers, bot.handle_message, name, bot, limit)
                await websocket.pump(starter.start)
            except WebSocketClosed as closed:
                text = disconnected_text(bot.self_id, name, REVERSE, closed.code, closed.reason)
                logger.info("{}", text, **whose)
            except TooManyTasks as error:
                text = disconnected_text(bot.self_id, name, REVERSE, TRY_AGAIN_LATER, str(error))
                logger.warning("{}", text, **whose)
                await websocket.end(TRY_AGAIN_LATER, str(error))
            finally:
                self._connected_bots.disconnect(bot, name)
            return None
        except Exception as error:
            return await self._turn_away(target, websocket, error, source)
        finally:
            self._websockets.remove(websocket)

    async def _enter(self, target: AdapterTarget, websocket: DriverWebSocket) -> Bot:
        """Accept a connection as its bot's only one.

        Raises:
            Exception: The adapter has refused, or failed; or the bot is connected already.
        """
        self.admit(target, websocket)
        adapter = self._adapters[target.adapter]
        self_id, _ = await self._ask(adapter, websocket)
        async with self._connected_bots.slot(self_id, websocket):
            self.gate.check_running()
            bot = create_bot(adapter, self._driver, self_id, websocket)
            await websocket.accept()
            websocket.owner = target.adapter
            self._connected_bots.connect(bot, target.adapter, REVERSE, websocket)
        return bot

    async def _ask(self, adapter: type[Bot], connection: HTTPConnection) -> tuple[str, Any]:
        """Ask the adapter for the bot's id and its response.

        Raises:
            Refused: The adapter says no, or the id cannot be a bot's.
            Unsendable: The response by which it says no cannot be sent.
            WrongDecision: It has returned something else.
        """
        decision = await adapter.check_permission(self._driver, connection)
        if not is_decision(decision):
            raise WrongDecision(adapter, decision)
        self_id, response = decision
        if not is_id(self_id):
            raise refusal_of(self_id, response)
        return self_id, response

    async def _turn_away(
        self, target: AdapterTarget, websocket: DriverWebSocket, error: Exception, source: Any
    ) -> HTTPResponse | None:
        if isinstance(error, WebSocketClosed) and websocket.gone:
            text = "A WebSocket of {} ended in its handshake: {}"
            whose = about(target.adapter, peer=address_of(source))
            logger.debug(text, target.adapter, describe(error), **whose)
            answer = HTTPResponse(400)
        else:
            answer = self._answer(target, error, source)
        if not websocket.accepted:
            return answer
        # The adapter has accepted it itself, so only a close code can still say why.
        code = INTERNAL_ERROR if answer.status >= 500 else POLICY_VIOLATION
        await websocket.end(code, f"refused with {answer.status}")
        return None

    def _answer(self, target: AdapterTarget, error: Exception, source: Any) -> HTTPResponse:
        """Say what kept a request out, to its sender and in the log."""
        if isinstance(error, DuplicateBotError):
            error = AlreadyConnected(error)
        if isinstance(error, Refused):
            return self.refuse(target, error, source)
        name = target.adapter
        text = f"The adapter {name}"
        if isinstance(error, Unsendable):
            text = f"{text} has made a response that cannot be sent: {error}"
            self.gate.warn(text, name, source)
        elif isinstance(error, WrongDecision):
            self.gate.warn(str(error), name, source)
        else:
            self._handlers.failures.log(f"{text} failed on a request", error, adapter=name)
        if not target.is_websocket:
            self.count(target, 500)
        return plain(500, "the adapter failed")


def is_id(self_id: Any) -> TypeGuard[str]:
    """Tell whether a text can be a bot's id.

    Peers make ids up and the log shows them, where line feeds and control characters would forge
    lines.
    """
    text = str(self_id)
    return bool(self_id) and len(text) <= LONGEST_ID and text.isprintable()


def refusal_of(self_id: Any, response: Any) -> Refused:
    """Refuse as the adapter wants it, or because of an id that cannot be a bot's.

    Args:
        self_id: Empty where the adapter says no.
        response: The adapter's response; None is 401.

    Raises:
        Unsendable: The response cannot be sent.
    """
    if self_id:
        reason = f"the bot's id is not printable text of up to {LONGEST_ID} characters"
        return Refused(400, reason)
    if response is None:
        return Refused(401, "the adapter refused")
    return RefusedByAdapter(sendable_of(response))


def sendable_of(response: Any) -> HTTPResponse:
    """Make what is sent of an adapter's response, which may be another framework's class.

    Raises:
        Unsendable: The response cannot be sent.
    """
    return sendable(response.status, response.body, response.headers)
