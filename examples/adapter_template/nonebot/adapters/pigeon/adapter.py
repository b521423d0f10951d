"""The adapter: which bots are connected, what comes from Pigeon, and what goes there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from anyio import fail_after, move_on_after
from nonebot import get_plugin_config
from nonebot.adapters import Adapter as BaseAdapter
from nonebot.adapters import Bot as BaseBot
from nonebot.drivers import Driver, HTTPClientMixin, WebSocket
from typing_extensions import override

from .api import HTTPApi, Socket
from .bot import Bot
from .config import Config
from .event import make_event
from .exception import ApiNotAvailable, NetworkError
from .forward import Forward
from .incoming import Incoming
from .log import log, shown
from .tasks import Tasks

DRAIN = 10.0
"""Seconds that the handlers of events have at the stop."""

CLOSING = 5.0
"""Seconds for the closing handshake of a WebSocket."""


class Adapter(BaseAdapter):
    """The adapter for Pigeon.

    Attributes:
        pigeon_config: Its settings.
        api: Pigeon's API over HTTP.
    """

    @override
    def __init__(self, driver: Driver, **kwargs: Any) -> None:
        """Set up what the settings ask for; NoneBot calls it when the adapter is registered.

        Raises:
            RuntimeError: The settings ask for what the driver cannot do.
        """
        super().__init__(driver, **kwargs)
        self.pigeon_config = get_plugin_config(Config)
        self.api = HTTPApi(self.request, self.pigeon_config)
        self._handlers = Tasks()
        self._forward = Forward(self)
        self._incoming = Incoming(self)
        self._incoming.set_up()
        self._forward.check()
        self.on_ready(self._forward.start)
        driver.on_shutdown(self._stop)

    @classmethod
    @override
    def get_name(cls) -> str:
        return "Pigeon"

    @contextmanager
    def online(self, self_id: str, socket: Socket | None = None) -> Iterator[Bot]:
        """Keep a bot connected over one way; it stays connected as long as it has any.

        Args:
            self_id: Its id.
            socket: The way's WebSocket, if it is one.

        Raises:
            RuntimeError: Another adapter has a bot of that id.
        """
        found = self.bots.get(self_id)
        bot = found if isinstance(found, Bot) else Bot(self, self_id)
        if socket is not None:
            # Before the hooks of plugins run, because they may call an API at once.
            bot.sockets.append(socket)
        if found is None:
            self.bot_connect(bot)
        bot.ways += 1
        try:
            yield bot
        finally:
            bot.ways -= 1
            if socket is not None:
                bot.sockets.remove(socket)
                socket.end()
            if bot.ways == 0:
                self.bot_disconnect(bot)

    async def read(self, self_id: str, websocket: WebSocket, idle: float | None) -> None:
        """Take all that comes over a WebSocket; it ends with the error that ends the WebSocket.

        Args:
            self_id: The id of the bot.
            websocket: The WebSocket, which is open.
            idle: Seconds without a message after which this ends; None waits for ever.

        Raises:
            nonebot.exception.WebSocketClosed: It has ended. Some drivers raise errors of their own.
            TimeoutError: Nothing has come.
        """
        socket = Socket(websocket)
        with self.online(self_id, socket) as bot:
            while True:
                with fail_after(idle):
                    message = await websocket.receive()
                self._take_message(bot, socket, message)

    def take_event(self, bot: Bot, data: Any) -> bool:
        """Start to handle an event; tell whether it is one."""
        try:
            event = make_event(data)
        except (ValueError, TypeError):
            log("WARNING", f"Bot {shown(bot.self_id)} has got what is no event: {shown(data)}")
            return False
        self._handlers.start(bot.handle_event(event))
        return True

    def _take_message(self, bot: Bot, socket: Socket, message: str | bytes) -> None:
        """Take what came over a WebSocket, whatever it is: nothing in it may end the WebSocket."""
        try:
            data = json.loads(message)
        except (ValueError, TypeError, RecursionError):
            log("WARNING", f"Bot {shown(bot.self_id)} has got what is no JSON: {shown(message)}")
            return
        if isinstance(data, dict) and "call" in data:
            socket.take(data)
        else:
            self.take_event(bot, data)

    @override
    async def _call_api(self, bot: BaseBot, api: str, **data: Any) -> Any:
        seconds = data.pop("_timeout", self.config.api_timeout)
        try:
            with fail_after(seconds):
                return await self._call(bot, api, data, seconds)
        except TimeoutError:
            raise NetworkError(f"{api} was not answered within {seconds:g} s") from None

    async def _call(
        self, bot: BaseBot, api: str, data: dict[str, Any], seconds: float | None
    ) -> Any:
        if isinstance(bot, Bot) and bot.sockets:
            return await bot.sockets[-1].call(api, data)
        if not self.pigeon_config.pigeon_root:
            raise ApiNotAvailable(f"bot {bot.self_id} has no WebSocket, and PIGEON_ROOT is not set")
        if not isinstance(self.driver, HTTPClientMixin):
            raise ApiNotAvailable(
                f"bot {bot.self_id} has no WebSocket, and DRIVER={self.config.driver} has no HTTP "
                "client such as ~httpx"
            )
        return await self.api.call(api, {"bot": bot.self_id, **data}, seconds)

    async def _stop(self) -> None:
        """Take no more polls, let the handlers end while they can still answer, and close all."""
        await self._forward.stop_polling()
        await self._handlers.finish(DRAIN)
        await self._forward.stop()
        for bot in list(self.bots.values()):
            for socket in list(bot.sockets) if isinstance(bot, Bot) else ():
                with suppress(Exception), move_on_after(CLOSING):
                    await socket.close()
        self._incoming.stop()
