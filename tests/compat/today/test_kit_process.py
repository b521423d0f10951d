"""The kit's bots in processes of their own, on NoneBot2: programs, functions, settings, leaks."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import nonebot
import pytest

from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.bots.base import BadEnd, LeftBehind
from nonebot_aiohttp.testing.bots.drivers import OURS, STOCK
from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.bots.up import DidNotStart
from nonebot_aiohttp.testing.inside.telling import tell

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of Unix")

ports.claim()

LINES = (*STOCK, OURS)

kept: list[Any] = []


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> str:
    """Each driver that an adapter meets most."""
    return str(request.param)


class Bots:
    """Programs of bots, as an author writes them in a class of tests."""

    @staticmethod
    def plain() -> None:
        tell("driver", type=nonebot.get_driver().type)

    @staticmethod
    def shows() -> None:
        config = nonebot.get_driver().config
        names = ("text", "number", "nothing", "nested", "path", "api_timeout", "superusers")
        found = {name: getattr(config, name, "missing") for name in names}
        tell("config", superusers=sorted(found.pop("superusers")), **found)

    @staticmethod
    def leaves() -> None:
        @nonebot.get_driver().on_startup
        async def start() -> None:
            kept.append(asyncio.create_task(forever(), name="kept"))
            kept.append(aiohttp.ClientSession())

    @staticmethod
    def cleans_up() -> None:
        driver = nonebot.get_driver()
        Bots.leaves()

        @driver.on_shutdown
        async def stop() -> None:
            task, session = kept
            task.cancel()
            await session.close()

    @staticmethod
    def hangs() -> None:
        @nonebot.get_driver().on_startup
        async def start() -> None:
            tell("begun")
            await forever()

    @staticmethod
    def fails_at_the_start() -> None:
        raise SystemExit("no token")

    @staticmethod
    def fails_at_the_stop() -> None:
        @nonebot.get_driver().on_shutdown
        async def stop() -> None:
            raise RuntimeError("this hook always fails")

    @staticmethod
    def ignores_signals() -> None:
        @nonebot.get_driver().on_shutdown
        async def stop() -> None:
            tell("stopping")
            await forever()


async def forever() -> None:
    await asyncio.Event().wait()


# Who runs.


async def test_a_function_runs_under_the_driver_that_was_named(line: str) -> None:
    async with BotProcess(Bots.plain, driver=line) as bot:
        kind = (await bot.told("driver"))["type"]
        async with aiohttp.ClientSession() as client, client.get(bot.url("/nothing")) as answer:
            assert answer.status == 404
    assert kind == {OURS: "aiohttp"}.get(line, line.replace("~", ""))
    assert bot.exit_code == 0 if line == OURS else bot.exit_code in (0, -signal.SIGTERM)


@pytest.mark.parametrize("driver", ["~none+~aiohttp", f"~none+{OURS}"])
async def test_a_bot_that_does_not_listen(driver: str) -> None:
    async with BotProcess(Bots.plain, driver=driver) as bot:
        assert "startup completed" in bot.text
        assert (await bot.told("driver"))["type"] == "none+aiohttp"
    assert bot.exit_code == 0


PROGRAM = """
import nonebot, sys
from nonebot_aiohttp.testing.inside import telling
nonebot.init({arguments})
config = nonebot.get_driver().config
names = ("own", "other", "text", "driver", "environment")
telling.tell("config", argv=sys.argv[1:], **{{name: getattr(config, name, None) for name in names}})
telling.tell("main", name=__name__, file=__file__)
if __name__ == "__main__":
    nonebot.run()
"""


def program(folder: Path, arguments: str = "") -> Path:
    """Write a ``bot.py``."""
    path = folder / "bot.py"
    path.write_text(PROGRAM.format(arguments=arguments), "utf-8")
    return path


async def test_a_bot_py_with_its_env_file(tmp_path: Path) -> None:
    path = program(tmp_path, "other='of init', text='of init'")
    (tmp_path / ".env").write_text('DRIVER=~none\nOWN={"a": [1]}\nTEXT=of the file\n', "utf-8")
    settings = {"text": "of the test"}
    async with BotProcess(path, settings=settings, arguments=["-x", "图"]) as bot:
        assert await bot.told("config") == {
            "what": "config",
            "argv": ["-x", "图"],
            "own": {"a": [1]},
            "other": "of init",
            "text": "of the test",
            "driver": "~none",
            "environment": None,
        }
        assert await bot.told("main") == {"what": "main", "name": "__main__", "file": str(path)}


async def test_the_driver_goes_before_the_one_in_the_program(tmp_path: Path) -> None:
    path = program(tmp_path, "driver='~fastapi', port=1")
    async with BotProcess(path, driver=OURS) as bot:
        assert (await bot.told("config"))["driver"] == OURS


async def test_a_server_that_imports_the_program(tmp_path: Path) -> None:
    path = program(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write("\napp = nonebot.get_asgi()\n")
    command = ["uvicorn", "--host", "{host}", "--port", "{port}", "{program}:app"]
    async with BotProcess(path, driver=OURS, command=command, settings={"own": "1"}) as bot:
        assert (await bot.told("config"))["own"] == "1"
        assert (await bot.told("main"))["name"] == "bot"
        assert await bot.stop() in (0, -signal.SIGTERM)


async def test_settings_stay_what_they_are(tmp_path: Path) -> None:
    settings = {
        "text": "123",
        "NUMBER": 123,
        "nothing": None,
        "nested": {"A": {"b": [1, "2", None, True]}, "c": '{"d": 1}'},
        "path": tmp_path,
        "api_timeout": timedelta(seconds=1.5),
        "superusers": {"1", "2"},
    }
    async with BotProcess(Bots.shows, driver="~none", settings=settings) as bot:
        assert await bot.told("config") == {
            "what": "config",
            "text": "123",
            "number": 123,
            "nothing": None,
            "nested": {"A": {"b": [1, "2", None, True]}, "c": '{"d": 1}'},
            "path": str(tmp_path),
            "api_timeout": 1.5,
            "superusers": ["1", "2"],
        }


async def test_the_machine_does_not_configure_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LOG_LEVEL": "ERROR",
        "DRIVER": "~no_such",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "FORCE_COLOR": "1",
    }.items():
        monkeypatch.setenv(name, value)
    async with BotProcess(shows_environment, driver="~none", env={"KEPT": "1"}) as bot:
        assert (await bot.told("environment"))["names"] == ["KEPT"]
    assert "\x1b" not in bot.text


def shows_environment() -> None:
    import os

    names = {"LOG_LEVEL", "HTTP_PROXY", "FORCE_COLOR", "KEPT", "DRIVER"} & set(os.environ)
    tell("environment", names=sorted(names - {"DRIVER"}))


# How it starts and ends.


async def test_a_start_that_fails(line: str) -> None:
    with pytest.raises(DidNotStart, match=r"(?s)ended with exit code 1\n.*no token"):
        async with BotProcess(Bots.fails_at_the_start, driver=line):
            pytest.fail("it is not up")


async def test_a_start_that_hangs(line: str) -> None:
    async with BotProcess(Bots.hangs, driver=line, wait=False) as bot:
        await bot.told("begun", deadline=60)
        bot.deadline = 0.5
        with pytest.raises(DidNotStart, match=r"after 0\.5 s it does not answer"):
            await bot.up()
        bot.kill()


async def test_a_stop_that_hangs() -> None:
    with pytest.raises(BadEnd, match=r"had not ended 1 s after it was asked to"):
        async with BotProcess(Bots.ignores_signals, driver=STOCK[0]) as bot:
            bot.deadline = 1
    assert bot.all_told("stopping")


async def test_a_stop_that_logs_a_traceback(line: str) -> None:
    with pytest.raises(BadEnd, match=r"(?s)logged a traceback during its stop.*always fails"):
        async with BotProcess(Bots.fails_at_the_stop, driver=line):
            pass


async def test_ctrl_c_ends_it_as_a_stop(line: str) -> None:
    async with BotProcess(Bots.cleans_up, driver=line) as bot:
        bot.interrupt()
        assert await bot.ended() in (0, -signal.SIGINT, 130)


# What is left behind.


async def test_what_is_left_behind_is_found_under_each_driver(line: str) -> None:
    with pytest.raises(LeftBehind) as raised:
        async with BotProcess(Bots.leaves, driver=line):
            pass
    text = str(raised.value)
    assert "all shutdown hooks: kept, coroutine forever, which stands at" in text
    assert "an aiohttp.ClientSession that nobody has closed" in text
    assert text.count("\n- a task") == 1, text


async def test_what_is_left_under_uvloop() -> None:
    """NoneBot2's drivers leave the loop to uvicorn, which takes uvloop where it is installed."""
    pytest.importorskip("uvloop")
    with pytest.raises(LeftBehind, match="coroutine forever"):
        async with BotProcess(Bots.leaves, driver=OURS, settings={"aiohttp_loop": "uvloop"}):
            pass


async def test_what_is_ended_in_time_is_not_left_behind(line: str) -> None:
    async with BotProcess(Bots.cleans_up, driver=line):
        pass
