"""Drives a real browser by the protocol of its developer tools, as far as tests need it.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.browser import command
from tests.support.waiting import eventually, within

PATIENCE = 30.0
"""Seconds until a browser that does not answer fails the test."""


class Tab:
    """A page of the browser.

    Attributes:
        problems: What the browser has reported: errors, and whatever a policy forbids.
        loads: How often a page was loaded.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.problems: list[str] = []
        self.loads = 0
        self.session = ""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def read(self) -> None:
        """Take what the browser sends, until it has ended."""
        async for message in self._socket:
            self._take(json.loads(message.data))

    async def begin(self) -> None:
        """Open an empty page."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(json.dumps(message))
        return await within(answer, PATIENCE)

    async def look(
        self, width: int, height: int = 800, *, dark: bool = False, scale: float = 1
    ) -> None:
        """Be a phone with a screen of this size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=True,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def send_headers(self, **headers: str) -> None:
        """Send these headers with each request; ``_`` is a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.call("Network.setExtraHTTPHeaders", headers=named)

    async def open(self, url: str) -> None:
        """Load a page."""
        loads = self.loads
        opened = await self.call("Page.navigate", url=url)
        assert "errorText" not in opened, opened
        await self.loaded(loads + 1)

    async def loaded(self, times: int) -> None:
        """Wait until a page was loaded so many times."""
        await eventually(lambda: self.loads >= times, PATIENCE, f"load {times} of a page")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, whatever the page's policy says."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def text(self) -> str:
        """Return what the page shows."""
        return str(await self.evaluate("document.body.innerText"))

    async def picture(self) -> bytes:
        """Return a picture of what the screen shows, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return base64.b64decode(answer["data"])

    def _take(self, message: dict[str, Any]) -> None:
        if (answer := self._waiting.pop(message.get("id", 0), None)) is not None:
            if "error" in message:
                answer.set_exception(AssertionError(message["error"]))
            else:
                answer.set_result(message["result"])
            return
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Runtime.exceptionThrown" or (
            method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning")
        ):
            self.problems.append(json.dumps(params))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(json.dumps(params["entry"]))


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """Start a browser, and give a page of it; it ends with the context."""
    process = await asyncio.create_subprocess_exec(
        *command(profile, "--remote-debugging-port=0", "--hide-scrollbars", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            address = await _address(profile)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                reading = asyncio.create_task(tab.read())
                await tab.begin()
                yield tab
                tab.session = ""
                await tab.call("Browser.close")
                await within(reading, PATIENCE)
        await within(process.wait(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _address(profile: Path) -> str:
    """Return the address of the browser's protocol, when it has written it down."""
    file = profile / "DevToolsActivePort"

    def written() -> list[str]:
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return lines if len(lines) == 2 else []

    port, path = await eventually(written, PATIENCE, "the start of the browser")
    return f"ws://127.0.0.1:{port}{path}"
