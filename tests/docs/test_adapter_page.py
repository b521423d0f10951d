"""The page on adapters: its package passes its own tests, and its bot answers."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketSetup
from tests.docs.commands import plain_environment
from tests.docs.trying import LISTENING, Reader, needs_curl
from tests.process.programs import PATIENCE
from tests.support import frames
from tests.support.bots import make_driver
from tests.support.documents import DOCS
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually

PAGE = DOCS / "adapter.md"


def run(directory: Path, *arguments: str) -> str:
    """Run a module of Python as the page does; return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=directory,
        env=plain_environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=2 * PATIENCE,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def package(directory: Path) -> Reader:
    """Write the page's package."""
    reader = Reader(PAGE, directory)
    (directory / "pigeon" / "py.typed").touch()
    for link in ("examples", ".venv"):
        (directory / link).unlink()
    return reader


def test_the_package_passes_its_own_tests(tmp_path: Path) -> None:
    reader = package(tmp_path)
    printed = run(tmp_path, "pytest", "-p", "no:cacheprovider")
    shown, _ = reader.page.code("text", "passed").splitlines()
    assert re.search(rf"={shown} in |= {shown}", printed), printed


def test_the_package_passes_mypy_strict(tmp_path: Path) -> None:
    reader = package(tmp_path)
    assert "strict = true" in reader.page.files["pyproject.toml"]
    _, shown = reader.page.code("text", "passed").splitlines()
    assert shown in run(tmp_path, "mypy")


@needs_curl
async def test_the_bot_takes_a_signed_webhook(tmp_path: Path) -> None:
    reader = Reader(PAGE, tmp_path)
    with reader.starts(reader.command("python bot.py")) as bot:
        await bot.shows(LISTENING)
        answer = reader.runs(reader.page.code("sh", "curl "))
        assert answer.startswith(reader.page.code("text", "204"))
        for text in re.findall(r"`(Bot 42 calls [^`]*)`", reader.page.prose):
            await bot.shows(text)
        await bot.shows("127.0.0.1:9000")
        bot.stop()
        assert await bot.ended() == 0


async def test_a_setting_that_is_missing_is_named(tmp_path: Path) -> None:
    reader = Reader(PAGE, tmp_path)
    (said,) = re.findall(r"`(PIGEON_SECRET is not set[^`]*)`", reader.page.prose)
    settings = reader.page.files[".env"].splitlines()
    kept = [line for line in settings if not line.startswith("PIGEON_SECRET")]
    (tmp_path / ".env").write_text("\n".join(kept), "utf-8")
    with reader.starts("python bot.py") as bot:
        assert await bot.ended() == 1
        assert said in bot.output


async def test_a_greeting_comes_before_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ping arrives, and a hook calls an API, while the token is being fetched."""
    package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    greeter: Any = importlib.import_module("greeting").Greeter
    called, pinged, sent = asyncio.Event(), asyncio.Event(), list[dict[str, Any]]()

    class Slow(greeter):  # type: ignore[misc]
        async def token(self) -> str:
            await called.wait()
            await pinged.wait()
            return "secret"

        async def handle_message(self, message: bytes) -> None:
            pinged.set()
            await super().handle_message(message)

    async def call(bot: Any) -> None:
        called.set()
        await bot.login(name="first")

    async def platform(connection: Connection) -> None:
        await connection.upgrade()
        await connection.send_frame(frames.text(json.dumps({"op": "ping"})))
        while len(sent) < 3:
            sent.append(json.loads((await connection.read_frame()).text))

    driver = make_driver()
    # An own task, so that this hook does not keep the adapter's from beginning.
    driver.on_bot_connect(lambda bot: tasks.append(asyncio.ensure_future(call(bot))))
    tasks: list[asyncio.Future[None]] = []
    driver.register_adapter("slow", Slow)
    async with ScriptedServer(platform) as server:
        driver.setup_websocket(WebSocketSetup("slow", "1", server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: len(sent) == 3)
            await asyncio.gather(*tasks)
    assert sent[0] == {"op": "hello", "token": "secret"}
    assert {each["op"] for each in sent[1:]} == {"pong", "login"}


class Attic:
    """A platform with a greeting; its script plays one connection, by the connection's number."""

    def __init__(self, adapter: type[Any], script: Callable[..., Awaitable[None]]) -> None:
        self.driver = make_driver()
        self.driver.register_adapter("attic", adapter)
        self.server = ScriptedServer(self._play)
        self._numbers = itertools.count(1)
        self._script = script

    async def _play(self, connection: Connection) -> None:
        await connection.upgrade()
        assert json.loads((await connection.read_frame()).text)["op"] == "hello"
        await self._script(connection, next(self._numbers))

    async def connected_until(self, done: Callable[[], object]) -> None:
        """Run the bot until something is so."""
        async with self.server as server:
            self.driver.setup_websocket(
                WebSocketSetup("attic", "1", server.ws_url, reconnect_interval=1)
            )
            async with self.driver.lifespan():
                await eventually(done)


async def test_a_connection_whose_greeting_fails_is_closed_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    greeter: Any = importlib.import_module("greeting").Greeter
    codes, greeted = list[int | None](), list[int]()

    class Failing(greeter):  # type: ignore[misc]
        async def say_hello(self) -> None:
            await super().say_hello()
            if not codes:
                raise ConnectionError("there is no token")

    async def script(connection: Connection, number: int) -> None:
        if number == 1:
            codes.append((await connection.read_frame()).close_code)
        else:
            greeted.append(number)

    await Attic(Failing, script).connected_until(lambda: greeted)
    assert codes == [1011]


async def test_a_greeting_waits_for_its_answer_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform closes the first connection instead of an answer."""
    package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    answered: Any = importlib.import_module("answered")
    monkeypatch.setattr(answered, "SECONDS", 0.1)
    left, said = list[Any](), list[Any]()

    async def script(connection: Connection, number: int) -> None:
        if number > 1:
            await connection.send_frame(frames.text(json.dumps({"op": "welcome"})))
            said.append(json.loads((await connection.read_frame()).text))
            # It stays open, so that only the first one leaves.
            await connection.read_frame()

    async def login(bot: Any) -> None:
        await bot.login(name="first")

    attic = Attic(answered.Answered, script)
    attic.driver.on_bot_connect(login)
    attic.driver.on_bot_disconnect(left.append)
    await attic.connected_until(lambda: left and said)
    assert said == [{"op": "login", "name": "first"}]


async def test_a_poll_without_news_is_not_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered by 204, so that its body is empty."""
    package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    pigeon: Any = importlib.import_module("pigeon")
    taken = list[bytes]()

    class Silent(pigeon.Bot):  # type: ignore[misc]
        async def handle_message(self, message: bytes) -> None:
            await super().handle_message(message)
            taken.append(message)

        async def on_event(self, event: dict[str, Any]) -> None:
            raise AssertionError(event)

    async def platform(connection: Connection) -> None:
        await connection.read_request()
        await connection.respond(204)

    async with ScriptedServer(platform) as server:
        own = {"pigeon_root": server.url, "pigeon_token": "token", "pigeon_secret": "secret"}
        driver = make_driver(**own, pigeon_polling=["42"], pigeon_gateway=[])
        driver.register_adapter("pigeon", Silent)
        async with driver.lifespan():
            await eventually(lambda: taken)
    assert {*taken} == {b""}


def test_the_tox_file_has_the_environments_and_the_commands_of_the_page(tmp_path: Path) -> None:
    files = package(tmp_path).page.files
    assert "commands = pytest" in files["tox.ini"]
    assert "commands = mypy" in files["tox.ini"]
