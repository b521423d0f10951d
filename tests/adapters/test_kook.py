"""The adapter for KOOK (Kaiheila): the compressed gateway, whose host the adapter has fixed.

So this is also a bot behind a proxy: API calls and gateway go through one that is named in the
environment, over TLS with a certificate of our own authority.

The platform is written from KOOK's own documents:

- https://developer.kookapp.cn/doc/websocket (signals, compression, heartbeats)
- https://developer.kookapp.cn/doc/http/gateway (where the gateway is)
- https://developer.kookapp.cn/doc/event/message (events)
- https://developer.kookapp.cn/doc/http/message (answers)
- https://developer.kookapp.cn/doc/http/user (the bot itself)
"""

from __future__ import annotations

import json
import ssl
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trustme
from aiohttp import WSMsgType, web

from tests.support.proxy import RecordingProxy

from .support.conversation import Conversation
from .support.platform import Gateway

API_HOST, GATEWAY_HOST = "www.kaiheila.cn", "ws.kaiheila.cn"
TOKEN = "1/MTAwMDE=/a-token"
ME = "2418200001"
PERSON = "2418200002"
CHANNEL = "4881820000000001"
EVENT, HELLO, PING, PONG = 0, 1, 2, 3


class Kook(Gateway):
    """KOOK's HTTP API and gateway, and a proxy on the way to them."""

    adapter = "nonebot.adapters.kaiheila"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.ssl_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(API_HOST, GATEWAY_HOST).configure_cert(self.ssl_context)
        self.heartbeats: list[int] = []
        """The sequence numbers that the bot's heartbeats have named."""
        self.proxy = RecordingProxy()

    async def start(self) -> None:
        """Start the proxy, too; a restart leaves it alone."""
        await super().start()
        if not self.proxy.port:
            await self.proxy.__aenter__()
            self.proxy.target_port = self.port
        # OpenSSL's own variable is for NoneBot's clients; this driver has a setting for it.
        self.environment = {"HTTPS_PROXY": self.proxy.url, "SSL_CERT_FILE": str(self.ca_file)}

    async def close(self) -> None:
        """Stop the proxy, too."""
        await super().close()
        await self.proxy.__aexit__(None, None, None)

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/api/v3/gateway/index", self.tell_gateway),
            web.get("/api/v3/user/me", self.tell_name),
            web.post("/api/v3/message/create", self.take_message),
            web.get("/gateway", self.accept),
        ]

    def settings(self) -> dict[str, Any]:
        return {
            "kaiheila_bots": [{"token": TOKEN}],
            "compress": True,
            "aiohttp_ssl_cafile": str(self.ca_file),
        }

    async def tell_gateway(self, request: web.Request) -> web.StreamResponse:
        """Tell the bot where the gateway is, and whether it compresses."""
        self.check_token(request)
        query = f"compress={request.query['compress']}&token={TOKEN}"
        return self.ok({"url": f"wss://{GATEWAY_HOST}/gateway?{query}"})

    async def tell_name(self, request: web.Request) -> web.StreamResponse:
        self.check_token(request)
        return self.ok({"id": ME, "username": "a bot", "bot": True, "online": True, "status": 1})

    async def take_message(self, request: web.Request) -> web.StreamResponse:
        """Take the bot's answer, a form."""
        self.check_token(request)
        message = await request.post()
        assert message["target_id"] == CHANNEL
        await self.sent.put(str(message["content"]))
        return self.ok({"msg_id": "answer", "msg_timestamp": 1_700_000_000_000, "nonce": ""})

    def check_token(self, request: web.Request) -> None:
        """Refuse a request without the bot's token."""
        assert request.headers["Authorization"] == f"Bot {TOKEN}"

    def ok(self, data: dict[str, Any]) -> web.Response:
        return web.json_response({"code": 0, "message": "操作成功", "data": data})

    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        assert dict(request.query) == {"compress": "1", "token": TOKEN}
        await self.transmit(ws, {"s": HELLO, "d": {"code": 0, "session_id": "a session"}})
        self.welcome()
        async for message in ws:
            assert message.type is WSMsgType.TEXT, "what comes from bots is not compressed"
            signal = json.loads(message.data)
            assert signal["s"] == PING
            self.heartbeats.append(signal["sn"])
            await self.transmit(ws, {"s": PONG})

    async def transmit(self, ws: web.WebSocketResponse, payload: dict[str, Any]) -> None:
        """Send a signal as a binary message: JSON that zlib has compressed."""
        await ws.send_bytes(zlib.compress(json.dumps(payload).encode()))

    def event(self, text: str) -> dict[str, Any]:
        number = next(self.numbers)
        author = {"id": PERSON, "username": "friend", "identify_num": "5618", "roles": []}
        extra = {
            "type": 9,
            "guild_id": "6016389914000000",
            "channel_name": "文字频道",
            "mention": [],
            "mention_all": False,
            "mention_roles": [],
            "mention_here": False,
            "nav_channels": [],
            "code": "",
            "author": {**author, "nickname": "friend", "online": True, "status": 1},
            "kmarkdown": {"raw_content": text, "mention_part": [], "mention_role_part": []},
            "channel_type": 1,
        }
        message = {
            "channel_type": "GROUP",
            "type": 9,
            "target_id": CHANNEL,
            "author_id": PERSON,
            "content": text,
            "msg_id": f"789c0b23-0000-0000-0000-{number:012}",
            "msg_timestamp": 1_613_996_877_757,
            "nonce": "",
            "extra": extra,
        }
        return {"s": EVENT, "d": message, "sn": number}


class TestGateway(Conversation):
    platform = Kook

    def assert_seen(self, there: Kook) -> None:
        hosts = {f"CONNECT {host}:443 HTTP/1.1" for host in (API_HOST, GATEWAY_HOST)}
        assert set(there.proxy.start_lines) == hosts
        assert len(there.heartbeats) >= 2, "each connection begins with one"
