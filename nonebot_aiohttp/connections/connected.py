"""``ConnectedBots``: the bots that are connected, one connection for each id, and their hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..drivers import Driver
from ..exceptions import DuplicateBotError
from ..life.hooks import Hook, call_hooks
from ..life.tasks import TaskSet, start_task
from ..log.naming import about, bot_name
from ..log.own import logger
from ..options import DriverOptions
from .closing import POLICY_VIOLATION
from .records import POLLING, BotRecords
from .websocket import DriverWebSocket

if TYPE_CHECKING:
    from ..adapters import Bot

MAX_QUEUE = 4
"""Connections that may wait for one bot's id, because each of them may wait for a probe."""

LOOK_INTERVAL = 0.25
"""Seconds between two looks at whether the peer of a waiting connection is still there."""


class SlotQueue:
    """Connections that wait for the id of one bot, and enter one after the other.

    Attributes:
        length: How many wait.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.length = 0

    @asynccontextmanager
    async def turn(self, self_id: str, websocket: DriverWebSocket | None) -> AsyncIterator[None]:
        """Hold the id while the block runs; see ``ConnectedBots.slot``."""
        if self.length >= MAX_QUEUE:
            raise DuplicateBotError(self_id)
        self.length += 1
        try:
            await self._wait(websocket)
        finally:
            self.length -= 1
        try:
            yield
        finally:
            self._lock.release()

    async def _wait(self, websocket: DriverWebSocket | None) -> None:
        if not self._lock.locked():
            await self._lock.acquire()
            return
        acquiring = asyncio.ensure_future(self._lock.acquire())
        interval = None if websocket is None else LOOK_INTERVAL
        try:
            while not acquiring.done() and not (websocket is not None and websocket.has_left):
                await asyncio.wait({acquiring}, timeout=interval)
            if websocket is not None and websocket.has_left:
                websocket.abort("the peer has gone while it waited")
                raise websocket.closed_error()
        except BaseException:
            if not acquiring.cancel() and not acquiring.cancelled():
                self._lock.release()
            raise


class ConnectedBots:
    """Adds bots to ``driver.bots``, removes them, and runs the connect and disconnect hooks.

    It guards two rules. The late cleanup of an old connection never removes its successor. The
    disconnect hooks of a bot start only after its connect hooks have ended.

    Attributes:
        records: Since when each bot is connected, and over what.
    """

    def __init__(self, driver: Driver, options: DriverOptions, hooks: TaskSet) -> None:
        """Take the set that keeps the tasks of hooks."""
        self._driver = driver
        self._options = options
        self._hooks = hooks
        self.records = BotRecords(loops_tell=True)
        # By id(bot): its connect hooks while they run.
        self._connect_hooks: dict[int, asyncio.Task[Any]] = {}
        self._queues: WeakValueDictionary[str, SlotQueue] = WeakValueDictionary()

    @asynccontextmanager
    async def slot(
        self, self_id: str, websocket: DriverWebSocket | None = None
    ) -> AsyncIterator[None]:
        """Hold the only slot of a bot's id while a new connection enters it.

        Connections that want the same slot wait in a queue, so that only one of them probes the old
        connection. ``websocket`` is the new connection, which leaves the queue when its peer has
        gone; None stands for one that this side has opened.

        Raises:
            DuplicateBotError: The old connection is alive, or must not be replaced, or the queue is
                full.
            WebSocketClosed: The peer has gone.
        """
        queue = self._queues.setdefault(self_id, SlotQueue())
        async with queue.turn(self_id, websocket):
            old = self._driver.bots.get(self_id)
            if old is not None:
                await self._make_room(old)
            yield

    def connect(
        self, bot: Bot, owner: str, way: str = "", websocket: DriverWebSocket | None = None
    ) -> None:
        """Add a bot and run its connect hooks; another bot with its id is disconnected.

        ``owner`` is the adapter's name, and ``way`` such as ``"reverse WebSocket"``, for the log.
        The adapter may have put something else into ``bot.request`` than its WebSocket.
        """
        driver = self._driver
        old = driver.bots.get(bot.self_id)
        if old is not None and old is not bot:
            self._replace(old)
        driver.bots[bot.self_id] = bot
        registered = tuple(driver._bot_connection_hook)
        hooks = start_task(self._call_hooks(registered, "bot connect", bot, owner))
        self.records.add(bot, owner, way, websocket)
        # Not kept when it has ended, to save memory: there are many idle connections.
        if not hooks.done():
            self._connect_hooks[id(bot)] = hooks
            hooks.add_done_callback(partial(self._forget_hooks, id(bot)))
        self._hooks.add(hooks, owner)

    def _forget_hooks(self, key: int, hooks: asyncio.Task[Any]) -> None:
        if self._connect_hooks.get(key) is hooks:
            del self._connect_hooks[key]

    def disconnect(self, bot: Bot, owner: str) -> None:
        """Remove a bot and run its disconnect hooks; a second call does nothing.

        The entry in ``driver.bots`` stays if another bot has taken the id.
        """
        if self._driver.bots.get(bot.self_id) is bot:
            del self._driver.bots[bot.self_id]
        connect_hooks = self._connect_hooks.pop(id(bot), None)
        if self.records.remove(bot) is not None:
            self._hooks.start(self._run_disconnect_hooks(bot, owner, connect_hooks), owner)

    async def _run_disconnect_hooks(
        self, bot: Bot, owner: str, connect_hooks: asyncio.Task[Any] | None
    ) -> None:
        if connect_hooks is not None:
            await asyncio.wait({connect_hooks})
        hooks = tuple(self._driver._bot_disconnection_hook)
        await self._call_hooks(hooks, "bot disconnect", bot, owner)

    async def _call_hooks(self, hooks: tuple[Hook, ...], kind: str, bot: Bot, owner: str) -> None:
        calling = call_hooks(hooks, kind, bot, adapter=owner, bot=bot.self_id)
        self._hooks.failed += await calling

    async def _make_room(self, old: Bot) -> None:
        """Remove the old connection of an id, or refuse the new one with ``DuplicateBotError``."""
        policy = self._options.duplicate_bot
        if policy == "reject":
            raise DuplicateBotError(old.self_id)
        record = self.records.get(old)
        websocket = old.request if record is None or record.websocket is None else record.websocket
        if isinstance(websocket, DriverWebSocket):
            timeout = self._options.probe_timeout
            alive = await websocket.is_alive(timeout) if policy == "probe" else None
            if alive:
                raise DuplicateBotError(old.self_id)
            if alive is None:
                # The old peer was not asked. It may be alive, and then it reads this reason.
                ending = websocket.end(POLICY_VIOLATION, "replaced by a newer connection")
                self._hooks.start(ending, self._owner_of(old))
            else:
                websocket.abort("did not answer while a new connection of its bot was waiting")
        self._replace(old)

    def _replace(self, old: Bot) -> None:
        owner = self._owner_of(old)
        name, whose = bot_name(old.self_id, owner), about(owner, old.self_id)
        record = self.records.get(old)
        if record is not None and record.way == POLLING:
            # Nothing is lost, because polling goes on.
            text = "A connection of {} takes the place of its polling in driver.bots"
            logger.info(text, name, **whose)
        else:
            logger.warning("A new connection of {} replaces the old one", name, **whose)
        self.disconnect(old, owner)

    def _owner_of(self, bot: Bot) -> str:
        # A bot that somebody has put into `driver.bots` by hand has no owner here.
        record = self.records.get(bot)
        return bot.type if record is None else record.adapter
