"""The ways in which Pigeon begins: webhooks and reverse WebSockets."""

import json
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from nonebot.drivers import (
    URL,
    ASGIMixin,
    HTTPServerSetup,
    Request,
    Response,
    WebSocket,
    WebSocketServerSetup,
)
from nonebot.exception import WebSocketClosed

from .access import refusal_of_webhook, refusal_of_websocket
from .bot import Bot
from .log import log, shown

if TYPE_CHECKING:
    from .adapter import Adapter

PATH = "/pigeon/"


class Incoming:
    """What Pigeon sends to the bot's own server."""

    def __init__(self, adapter: "Adapter") -> None:
        """Begin without a bot."""
        self._adapter = adapter
        self._bots: dict[str, Bot] = {}
        self._online = ExitStack()

    def set_up(self) -> None:
        """Have the server call this, if the driver has a server."""
        if isinstance(self._adapter.driver, ASGIMixin):
            webhook = HTTPServerSetup(URL(PATH), "POST", "Pigeon webhook", self.take_webhook)
            self._adapter.setup_http_server(webhook)
            websocket = WebSocketServerSetup(URL(f"{PATH}ws"), "Pigeon WebSocket", self.serve)
            self._adapter.setup_websocket_server(websocket)

    def stop(self) -> None:
        """Let the bots of webhooks go, which stay connected from their first webhook on."""
        self._bots.clear()
        self._online.close()

    async def take_webhook(self, request: Request) -> Response:
        """Answer a webhook; its event is handled later, because Pigeon does not wait for it."""
        content = request.content or b""
        body = content.encode() if isinstance(content, str) else content
        self_id = request.headers.get("X-Pigeon-Bot")
        if not self_id:
            return self._refuse(400, "X-Pigeon-Bot is missing")
        if problem := refusal_of_webhook(request, body, self._adapter.pigeon_config):
            return self._refuse(403, problem)
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return self._refuse(400, "the body is not JSON")
        if isinstance(data, dict) and data.get("type") == "challenge":
            return Response(
                200, headers={"Content-Type": "text/plain"}, content=str(data.get("challenge"))
            )
        if not self._adapter.take_event(self._bot(self_id), data):
            return self._refuse(400, "the body is no event")
        return Response(204)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve a reverse WebSocket to its end."""
        self_id = websocket.request.headers.get("X-Pigeon-Bot")
        problem = refusal_of_websocket(websocket.request, self._adapter.pigeon_config)
        if not self_id or problem:
            # Before it is accepted, so that Pigeon gets the status 403.
            log("WARNING", f"Refused a WebSocket: {problem or 'X-Pigeon-Bot is missing'}")
            await websocket.close(1008, problem or "X-Pigeon-Bot is missing")
            return
        await websocket.accept()
        log("INFO", f"Bot {shown(self_id)} has a reverse WebSocket")
        try:
            # The servers send pings, so that it needs no limit.
            await self._adapter.read(self_id, websocket, None)
        except WebSocketClosed as error:
            log("INFO", f"The reverse WebSocket of bot {shown(self_id)} has ended: {shown(error)}")
        finally:
            with suppress(Exception):
                await websocket.close(1001)

    def _bot(self, self_id: str) -> Bot:
        if self_id not in self._bots:
            self._bots[self_id] = self._online.enter_context(self._adapter.online(self_id))
        return self._bots[self_id]

    def _refuse(self, status: int, problem: str) -> Response:
        log("WARNING", f"Refused a webhook: {problem}")
        return Response(status, headers={"Content-Type": "text/plain"}, content=problem)
