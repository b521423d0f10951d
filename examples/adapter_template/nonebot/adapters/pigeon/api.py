"""Calls of Pigeon's API: over HTTP, and over a WebSocket."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

from nonebot.drivers import Request, Response, WebSocket
from nonebot.utils import DataclassEncoder

from .backoff import retry_after
from .config import Config
from .exception import ActionFailed, NetworkError

Send = Callable[[Request], Awaitable[Response]]
"""`Adapter.request`."""


class HTTPApi:
    """Pigeon's API over HTTP."""

    def __init__(self, send: Send, config: Config) -> None:
        """Send requests by the driver, as the settings say."""
        self._send = send
        self._root = config.pigeon_root.rstrip("/")
        self._token = config.pigeon_token

    async def call(self, api: str, data: dict[str, Any], seconds: float | None) -> Any:
        """Call an API, and again where Pigeon asks for it, unless that would be too late.

        Pigeon has not done anything if it answers 429 or 503, so a call may be sent again. After
        any other fault it may have done what the call asks for.

        Args:
            api: Its name.
            data: Its arguments.
            seconds: How long it may take in all, which the caller sees to; None is for ever.

        Raises:
            ActionFailed: Pigeon has refused the call.
            NetworkError: Pigeon has not answered, or not as its document says.
        """
        clock = asyncio.get_running_loop().time
        end = None if seconds is None else clock() + seconds
        while True:
            try:
                return result_of(await self.request("POST", f"/{api}", data=data, timeout=seconds))
            except NetworkError as error:
                pause = error.retry_after
                if pause is None or (end is not None and clock() + pause >= end):
                    raise
            await asyncio.sleep(pause)

    async def request(
        self,
        method: str,
        path: str,
        *,
        data: dict[str, Any] | None = None,
        bot: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Send a request with the token, and return the JSON of the answer.

        Args:
            method: Such as ``GET``.
            path: With a slash at its beginning.
            data: The body, as JSON.
            bot: The id of the bot, for the header.
            timeout: Seconds for each step of the connection; None is no limit.

        Raises:
            NetworkError: There is no answer, or its status is wrong, or it is not JSON.
        """
        headers = {"Authorization": f"Bearer {self._token}"}
        if bot is not None:
            headers["X-Pigeon-Bot"] = bot
        content: bytes | None = None
        if data is not None:
            headers["Content-Type"] = "application/json"
            content = dump(data).encode()
        url = self._root + path
        request = Request(method, url, headers=headers, content=content, timeout=timeout)
        try:
            response = await self._send(request)
        except Exception as error:
            # Each driver has its own errors.
            raise NetworkError(f"{method} {url} has failed: {error!r}") from error
        status = response.status_code
        if not 200 <= status < 300:
            said = f"{method} {url} was answered with {status}"
            raise NetworkError(said, status, retry_after(response))
        try:
            return json.loads(response.content or b"")
        except (ValueError, RecursionError) as error:
            raise NetworkError(f"{method} {url} was not answered with JSON", status) from error


class Socket:
    """A WebSocket of a bot, and the calls over it that wait for their answers."""

    def __init__(self, websocket: WebSocket) -> None:
        """Call over a WebSocket that is open."""
        self._websocket = websocket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def call(self, api: str, data: dict[str, Any]) -> Any:
        """Call an API, and wait for the answer as long as the WebSocket is open.

        Raises:
            ActionFailed: Pigeon has refused the call.
            NetworkError: The WebSocket has ended.
        """
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = dump({"call": number, "api": api, "data": data})
        try:
            try:
                await self._websocket.send(message)
            except Exception as error:
                # Each driver has its own errors.
                raise NetworkError(f"the WebSocket does not carry {api}: {error!r}") from error
            return result_of(await waiting)
        finally:
            del self._waiting[number]

    def take(self, answer: dict[str, Any]) -> None:
        """Give an answer to the call that waits for it; one that comes too late is dropped."""
        number = answer["call"]
        waiting = self._waiting.get(number) if isinstance(number, int) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def end(self) -> None:
        """End all calls, because the WebSocket has ended."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NetworkError("the WebSocket has ended before the answer"))

    async def close(self) -> None:
        """Tell Pigeon that the bot goes away."""
        await self._websocket.close(1001)


def dump(data: dict[str, Any]) -> str:
    """Make JSON, also of messages that a plugin gives as an argument.

    Raises:
        TypeError: JSON cannot hold an argument.
    """
    return json.dumps(data, cls=DataclassEncoder, ensure_ascii=False)


def result_of(answer: Any) -> Any:
    """Return the result in an answer.

    Raises:
        ActionFailed: Pigeon says what is wrong.
        NetworkError: It is no answer.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise NetworkError("the answer is not as Pigeon's document says")
    if not answer["ok"]:
        raise ActionFailed(str(answer.get("error")))
    return answer.get("result")
