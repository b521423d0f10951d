"""The kit's fixtures start NoneBot2's bots, on every driver and beside nonebug."""

from __future__ import annotations

from pathlib import Path

import pytest

from nonebot_aiohttp.testing.bots.drivers import OURS, STOCK
from tests.support.loops import LOOPS, Loops
from tests.support.pytests import Project, Ran

# Each starts a pytest, which starts bots.
pytestmark = pytest.mark.timeout(300)

BOT = """
import asyncio
import os
import urllib.parse
import urllib.request
import nonebot
from nonebot.adapters.onebot.v11 import Adapter

nonebot.init()
driver = nonebot.get_driver()
driver.register_adapter(Adapter)
nonebot.load_builtin_plugin("echo")


async def tell(path):
    url = os.environ["TOLD"] + path
    await asyncio.to_thread(lambda: urllib.request.urlopen(url).close())


if "TOLD" in os.environ:

    @driver.on_startup
    async def hello():
        await tell("/hello?driver=" + urllib.parse.quote(driver.type, safe=""))

    @driver.on_shutdown
    async def bye():
        await tell("/bye")


nonebot.run()
"""

HEAD = """
import json
import os
import signal
import aiohttp
import pytest
from aiohttp import web

TOKEN = {"onebot_access_token": "a token"}
HEADERS = {"X-Self-ID": "1", "Authorization": "Bearer a token"}
EVENT = {
    "time": 1_700_000_000,
    "self_id": 1,
    "post_type": "message",
    "message_type": "private",
    "sub_type": "friend",
    "message_id": 1,
    "user_id": 2,
    "message": [{"type": "text", "data": {"text": "/echo hello"}}],
    "raw_message": "/echo hello",
    "font": 0,
    "sender": {},
}


async def answers(connection):
    await connection.send(EVENT)
    call = await connection.expect({"action": "send_msg"})
    assert call.json["params"]["message"][0]["data"]["text"].strip() == "hello"
    await call.reply({"status": "ok", "retcode": 0, "data": {}, "echo": call.json["echo"]})

"""

ON_EACH_LOOP = """
@pytest.fixture
def anyio_backend():
    return "asyncio"


# async test
async def test_reverse(nonebot_platform, nonebot_bot):
    bot = nonebot_bot("bot.py", settings=TOKEN)
    url = bot.ws_url("/onebot/v11/ws")
    await answers(await nonebot_platform.connect(url, headers=HEADERS))
"""

ON_EACH_DRIVER = """
# async test
async def test_reconnect(nonebot_platform, nonebot_bot):
    url = nonebot_platform.ws_url
    bot = nonebot_bot("bot.py", settings={"onebot_ws_urls": [url]})
    await (await nonebot_platform.connected()).close(1012)
    again = await nonebot_platform.connected()
    await again.send({"post_type": "meta_event", "meta_event_type": "lifecycle",
        "sub_type": "connect", "self_id": 1, "time": 1})
    await answers(again)


def test_without_a_loop(nonebot_platform, nonebot_bot, nonebot_driver):
    '''The bot is ended while the platform is there.'''
    nonebot_platform.on("GET", "/hello").reply(json=1)
    nonebot_platform.on("GET", "/bye").reply(json=1)
    nonebot_bot("bot.py", env={"TOLD": nonebot_platform.url})
    (call,) = nonebot_platform.calls
    assert ("fastapi" in call.query["driver"]) == ("fastapi" in nonebot_driver)


# async test
async def test_server_in_the_loop(nonebot_bot):
    '''The bot needs the test's own loop in order to start.'''
    told = []

    async def note(request):
        told.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{what}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    bot = await nonebot_bot.start("bot.py", env={"TOLD": address})
    await bot.stop()
    await runner.cleanup()
    assert told == ["/hello", "/bye"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a bot."""
    project = Project(tmp_path)
    project.write("pytest.ini", "[pytest]\n")
    project.write("bot.py", BOT)
    return project


@pytest.mark.parametrize("line", [*STOCK, OURS])
def test_drivers(project: Project, line: str) -> None:
    project.write_tests(LOOPS[0].fill(ON_EACH_DRIVER), HEAD)
    ran = project.run(*LOOPS[0].arguments, "--nonebot-drivers", line, "-v")
    assert ran.counts == {"passed": 3}, ran.text
    assert f"test_it.py::test_reconnect[{line}] PASSED" in ran.text


@pytest.mark.parametrize("loops", LOOPS, ids=str)
def test_loops(project: Project, loops: Loops) -> None:
    project.write_tests(loops.fill(ON_EACH_LOOP), loops.head + HEAD)
    ran = project.run(*loops.arguments, "--nonebot-drivers", OURS)
    assert ran.counts == {"passed": 1}, ran.text


LEAVING = """
import aiohttp
import nonebot

nonebot.init()
sessions = []


@nonebot.get_driver().on_startup
async def start():
    sessions.append(aiohttp.ClientSession())


nonebot.run()
"""

FAILING = """
def test_left_behind(nonebot_bot):
    nonebot_bot("leaving.py")


def test_killed(nonebot_bot):
    nonebot_bot("bot.py").kill()


def test_not_started(nonebot_bot):
    nonebot_bot("failing.py")


def test_no_program(nonebot_bot):
    nonebot_bot("no_bot.py")


def test_body(nonebot_bot):
    nonebot_bot("leaving.py")
    assert 1 == 2


def test_two_checks(nonebot_platform, nonebot_bot):
    nonebot_platform.on("GET", "/unused").reply(json=1)
    nonebot_bot("leaving.py")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run of a suite whose bots fail."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.write("bot.py", BOT)
    project.write("leaving.py", LEAVING)
    project.write("failing.py", "raise RuntimeError('so it is')\n")
    project.write_tests(FAILING, HEAD)
    return project.run("--nonebot-drivers", OURS)


class TestFailures:
    """Failures are the test's own, and show the log of the bot."""

    def test_outcomes(self, ran: Ran) -> None:
        assert ran.counts == {"failed": 5, "passed": 1}, ran.text

    @pytest.mark.parametrize(
        ("test", "text"),
        [
            ("test_left_behind", "LeftBehind: "),
            ("test_two_checks", "LeftBehind: "),
            ("test_not_started", "DidNotStart: "),
            ("test_no_program", "there is no no_bot.py, neither beside the test nor above it"),
        ],
    )
    def test_text(self, ran: Ran, test: str, text: str) -> None:
        shown = ran.part(f"{test}[{OURS}]")
        assert shown.count(text) == 1
        assert ("RuntimeError: so it is" in shown) == (test == "test_not_started")

    def test_log_is_shown_beside(self, ran: Ran) -> None:
        assert "| NoneBot is initializing..." in ran.part(f"test_left_behind[{OURS}]")

    @pytest.mark.parametrize(
        ("test", "first", "too"),
        [
            ("test_body", "assert 1 == 2", "LeftBehind: "),
            ("test_two_checks", "LeftBehind: ", "UnusedReplies: GET /unused"),
        ],
    )
    def test_order(self, ran: Ran, test: str, first: str, too: str) -> None:
        shown = ran.part(f"{test}[{OURS}]")
        section = shown.index("nonebot: the test has failed in this, too")
        assert shown.index(first) < section < shown.index(too, section)


NONEBUG_CONFTEST = """
import nonebot
import pytest
from nonebug import NONEBOT_INIT_KWARGS
from pytest_asyncio import is_async_test

pytest_plugins = ["nonebot_aiohttp.testing.plugin"]


def pytest_configure(config):
    config.stash[NONEBOT_INIT_KWARGS] = {
        "driver": "~fastapi+~aiohttp",
        "onebot_access_token": "a token",
        "_env_file": None,
    }


def pytest_collection_modifyitems(items):
    session = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if is_async_test(item):
            item.add_marker(session, append=False)


@pytest.fixture(scope="session", autouse=True)
async def after_nonebot_init(after_nonebot_init):
    from nonebot.adapters.onebot.v11 import Adapter

    nonebot.get_driver().register_adapter(Adapter)
    nonebot.load_builtin_plugin("echo")
"""

BESIDE_NONEBUG = """
from nonebot.adapters import Bot as BaseBot
from nonebot.exception import MockApiException
from nonebug import App

CALLED = []


@pytest.mark.asyncio
async def test_hook(nonebot_hooks, app: App):
    @BaseBot.on_calling_api
    async def answer(bot, api, data):
        raise MockApiException({"message_id": 1})

    assert nonebot_hooks.added()


@pytest.mark.asyncio
async def test_hook_is_gone(nonebot_hooks, app: App):
    async with app.test_api() as ctx:
        bot = ctx.create_bot()
        ctx.should_call_api("get_status", {}, "from nonebug")
        assert await bot.call_api("get_status") == "from nonebug"


@pytest.mark.asyncio
async def test_reverse(nonebot_platform, nonebot_bot, app: App):
    bot = nonebot_bot("bot.py", settings=TOKEN)
    url = bot.ws_url("/onebot/v11/ws")
    await answers(await nonebot_platform.connect(url, headers=HEADERS))
"""


def test_beside_nonebug(project: Project) -> None:
    """On the loop of the session, which nonebug's manual asks for."""
    project.write("conftest.py", NONEBUG_CONFTEST)
    project.write(
        "pytest.ini",
        "[pytest]\nasyncio_default_fixture_loop_scope = session\nasyncio_mode = auto\n",
    )
    project.write_tests(BESIDE_NONEBUG, HEAD)
    ran = project.run("--nonebot-drivers", OURS, nonebug=True)
    assert ran.counts == {"passed": 3}, ran.text
