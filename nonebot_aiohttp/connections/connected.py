"""``ConnectedBots``: who is connected, one live connection for an id, and the hooks around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..drivers import Driver
from ..exceptions import DuplicateBotError, WebSocketClosed
from ..life.hooks import call_hooks
from ..life.tasks import TaskSet, start_task
from ..log import logger
from ..options import DriverOptions
from .closing import ABNORMAL, POLICY_VIOLATION
from .websocket import DriverWebSocket

if TYPE_CHECKING:
    from ..adapters import Bot


LONGEST_LINE = 4
"""Connections that wait for one bot's id: each may wait for a probe."""

LOOK_PAUSE = 0.25
"""Seconds between looks at whether the peer of one that waits is still there."""


class Line:
    """Connections that want the id of one bot, one behind the other.

    Attributes:
        length: How many wait.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lock = asyncio.Lock()
        self.length = 0

    @asynccontextmanager
    async def turn(self, self_id: str, socket: DriverWebSocket | None) -> AsyncIterator[None]:
        """Wait for the others, and hold them up.

        Args:
            self_id: The bot's id.
            socket: See ``ConnectedBots.slot``.

        Raises:
            DuplicateBotError: Too many wait.
            WebSocketClosed: The peer has gone.
        """
        if self.length >= LONGEST_LINE:
            raise DuplicateBotError(self_id)
        self.length += 1
        try:
            await self._wait(socket)
        finally:
            self.length -= 1
        try:
            yield
        finally:
            self._lock.release()

    async def _wait(self, socket: DriverWebSocket | None) -> None:
        if not self._lock.locked():
            await self._lock.acquire()
            return
        acquiring = asyncio.ensure_future(self._lock.acquire())
        try:
            while not acquiring.done() and not (socket is not None and socket.has_left):
                await asyncio.wait({acquiring}, timeout=None if socket is None else LOOK_PAUSE)
            if socket is not None and socket.has_left:
                reason = "the peer has gone while it waited"
                socket.abort(reason)
                raise WebSocketClosed(ABNORMAL, reason)
        except BaseException:
            if not acquiring.cancel() and not acquiring.cancelled():
                self._lock.release()
            raise


class ConnectedBots:
    """Enters bots into ``driver.bots`` and runs the connect and disconnect hooks.

    A late cleanup of an old connection never evicts its successor, and the disconnect hooks of a
    bot start only after its connect hooks have ended.
    """

    def __init__(self, driver: Driver, options: DriverOptions, hooks: TaskSet) -> None:
        """Begin with nobody.

        Args:
            driver: Whose bots and hooks these are.
            options: The driver's settings.
            hooks: Where the tasks of the hooks go.
        """
        self._driver = driver
        self._options = options
        self._hooks = hooks
        # By the bot's identity: the adapter's name, and the task of connect hooks that had to wait.
        self._connected: dict[int, str] = {}
        self._connecting: dict[int, asyncio.Task[Any]] = {}
        self._lines: WeakValueDictionary[str, Line] = WeakValueDictionary()

    @asynccontextmanager
    async def slot(
        self, self_id: str, socket: DriverWebSocket | None = None
    ) -> AsyncIterator[None]:
        """Hold the only slot of a bot's id while a new connection enters it.

        Those who want the same slot wait in line, so that they do not probe at the same time.

        Args:
            self_id: The bot's id.
            socket: The new connection, which leaves the line when its peer has gone; None for one
                that this side has opened.

        Raises:
            DuplicateBotError: The old connection is alive, or may not be replaced; or the line is
                too long.
            WebSocketClosed: The peer has gone.
        """
        line = self._lines.setdefault(self_id, Line())
        async with line.turn(self_id, socket):
            old = self._driver.bots.get(self_id)
            if old is not None:
                await self._make_room(old)
            yield

    def connect(self, bot: Bot, owner: str) -> None:
        """Enter a bot and run its connect hooks; another one that holds its id is disconnected.

        Args:
            bot: The bot.
            owner: The adapter's name, for the log.
        """
        driver = self._driver
        old = driver.bots.get(bot.self_id)
        if old is not None and old is not bot:
            self._replace(old)
        driver.bots[bot.self_id] = bot
        hooks = start_task(call_hooks(tuple(driver._bot_connection_hook), "bot connect", bot))
        self._connected[id(bot)] = owner
        # A task that has ended is not kept: idle connections are many.
        if not hooks.done():
            self._connecting[id(bot)] = hooks
            hooks.add_done_callback(partial(self._forget_hooks, id(bot)))
        self._hooks.add(hooks, owner)

    def _forget_hooks(self, key: int, hooks: asyncio.Task[Any]) -> None:
        if self._connecting.get(key) is hooks:
            del self._connecting[key]

    def disconnect(self, bot: Bot, owner: str) -> None:
        """Remove a bot and run its disconnect hooks; once, however often this is called.

        Args:
            bot: The bot. The entry of its id stays if it is another bot's.
            owner: The adapter's name, for the log.
        """
        if self._driver.bots.get(bot.self_id) is bot:
            del self._driver.bots[bot.self_id]
        connecting = self._connecting.pop(id(bot), None)
        if self._connected.pop(id(bot), None) is not None:
            self._hooks.start(self._run_disconnect_hooks(bot, connecting), owner)

    async def _run_disconnect_hooks(self, bot: Bot, connecting: asyncio.Task[Any] | None) -> None:
        if connecting is not None:
            await asyncio.wait({connecting})
        await call_hooks(tuple(self._driver._bot_disconnection_hook), "bot disconnect", bot)

    async def _make_room(self, old: Bot) -> None:
        """Remove the old connection of an id, or refuse the new one.

        Raises:
            DuplicateBotError: The old one stays.
        """
        policy = self._options.duplicate_bot
        if policy == "reject":
            raise DuplicateBotError(old.self_id)
        socket = old.request
        if isinstance(socket, DriverWebSocket):
            timeout = self._options.probe_timeout
            alive = await socket.is_alive(timeout) if policy == "probe" else None
            if alive:
                raise DuplicateBotError(old.self_id)
            if alive is None:
                # Nobody has asked it, or could: it may well live, and be read this.
                ending = socket.end(POLICY_VIOLATION, "replaced by a newer connection")
                self._hooks.start(ending, self._owner_of(old))
            else:
                socket.abort("did not answer while a new connection of its bot was waiting")
        self._replace(old)

    def _replace(self, old: Bot) -> None:
        logger.warning("A new connection of bot {} replaces the old one", old.self_id)
        self.disconnect(old, self._owner_of(old))

    def _owner_of(self, bot: Bot) -> str:
        # A bot that somebody has put into `driver.bots` by hand has no entry.
        return self._connected.get(id(bot)) or bot.type
