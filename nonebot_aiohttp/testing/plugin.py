"""Fixtures for pytest 8 and newer, with which a test has a platform and a bot.

A project loads them in the ``conftest.py`` of its tests::

    pytest_plugins = ["nonebot_aiohttp.testing.plugin"]

They are no entry point, because pytest would then import this distribution early in every project
that has it installed. All of them are sync: they serve tests of pytest-asyncio on any of its loops,
tests of anyio on asyncio, and tests without a loop. When the body of a test has ended, its bots
are ended and its platform is checked, so that what they find fails the test itself.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pytest

from .bots import base as bots
from .bots import ports, process
from .bots.drivers import OPTION, OURS, STOCK, VARIABLE, chosen_in, drivers_to_test
from .bots.hooks import Hooks, restored_hooks
from .common import journal
from .common.timeline import timeline
from .fixtures import kept, starting
from .fixtures.kept import Kept
from .fixtures.starting import Serve, StartBot
from .platforms import life, platform, routes, websockets
from .platforms.platform import Platform

_MARK = "nonebot_platform"

_KEPT = pytest.StashKey[Kept]()

__tracebackhide__ = operator.methodcaller("errisinstance", AssertionError)
"""Tells pytest not to show the lines of this module for a failed check, which is of the test."""

_INNER = (bots, journal, kept, life, platform, process, routes, starting, websockets)
"""Modules whose lines pytest does not show either."""

_LINES = pytest.StashKey[tuple[str, ...]]()


@pytest.fixture
def nonebot_hooks() -> Iterator[Hooks]:
    """Unregister what the test registers in this process: hooks of API calls, of bots, of starts.

    All other nonebot_ fixtures unregister that, too. With this one it may also be registered within
    a block of nonebot_serve; without it such a hook counts as left behind, and fails the test.

    It is not autouse, because a plugin that is imported for the first time in the body of a test
    registers hooks that later tests expect. Where no test does that:
    pytestmark = pytest.mark.usefixtures("nonebot_hooks").
    """
    with restored_hooks(driver=_driver_of_this_process()) as hooks:
        yield hooks


@pytest.fixture
def _nonebot_hooks() -> Iterator[None]:
    """Unregister the hooks of the test, without a word that they are expected."""
    hooks = Hooks(driver=_driver_of_this_process())
    yield
    hooks.restore()


@pytest.fixture
def nonebot_platform(request: pytest.FixtureRequest, _nonebot_hooks: None) -> Iterator[Platform]:
    """A chat platform on loopback; unexpected requests and unused replies fail the test.

    @pytest.mark.nonebot_platform(hosts=["api.telegram.org"], tls=True) gives it what
    nonebot_aiohttp.testing.Platform takes; an indirect parameter, a dict, does so too.
    """
    own = request.node.stash[_KEPT]
    made = Platform(**_options(request))
    made.__enter__()
    own.platform = made
    yield made
    own.end_platform()


@pytest.fixture
def nonebot_bot(
    request: pytest.FixtureRequest, nonebot_driver: str, _nonebot_hooks: None
) -> Iterator[StartBot]:
    """Start NoneBot2 bots in processes of their own.

    bot = nonebot_bot("bot.py", settings={...}) returns when the bot is up, on the driver of
    nonebot_driver, for each of which the test runs. The bot reaches the hosts of the test's
    nonebot_platform. It is ended after the body of the test, before the platform; what it leaves
    behind fails the test. Its start blocks the test's loop; await nonebot_bot.start(...) does not.
    A fixture whose own teardown needs the bot uses nonebot_aiohttp.testing.BotProcess instead.
    """
    own = request.node.stash[_KEPT]
    _platform_first(request)
    yield StartBot(request, nonebot_driver, own)
    own.end_bots()


@pytest.fixture
def nonebot_serve(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _nonebot_hooks: None
) -> Serve:
    """Serve standalone drivers in the test's own loop.

    async with nonebot_serve(driver) as bot: it is served within the block, on a free port. During
    the test this process has the environment that leads to the hosts of the test's
    nonebot_platform.
    """
    platform = _platform_first(request)
    for name, value in ({} if platform is None else platform.environment).items():
        monkeypatch.setenv(name, value)
    return Serve(request.node.stash[_KEPT])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the drivers from the command line, or from pytest's configuration."""
    text = (
        "DRIVER lines that suites and tests with nonebot_driver or nonebot_bot run on, with commas"
        f" between them; 'stock' and 'ours' are {', '.join(STOCK)} and {OURS}. Default: the"
        f" environment variable {VARIABLE}, then the setting {OPTION}, then all of these that are"
        " installed"
    )
    group = parser.getgroup("nonebot", "adapters of NoneBot")
    group.addoption("--nonebot-drivers", dest=OPTION, metavar="LINES", help=text)
    parser.addini(OPTION, "DRIVER lines, one a line or with commas, as --nonebot-drivers")


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark, and make the fixture of the drivers, now that these are known."""
    for module in _INNER:
        vars(module)["__tracebackhide__"] = __tracebackhide__
    config.addinivalue_line(
        "markers",
        f"{_MARK}(hosts=(), tls=False, allow_unexpected=False, allow_unused=False): what the"
        " nonebot_platform of a test is like; the mark of a test adds to the mark of its class",
    )
    lines = config.stash[_LINES] = _lines(config)
    config.pluginmanager.register(_Drivers.over(lines), "nonebot_drivers")


def pytest_report_header(config: pytest.Config) -> str:
    """Say which drivers the tests run on, and which are missing."""
    lines = config.stash[_LINES]
    missing = [line for line in STOCK if line not in lines] if chosen_in(config) is None else []
    text = f"nonebot drivers: {', '.join(lines)}"
    return text + (f" (not installed: {', '.join(missing)})" if missing else "")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Claim the ports of bots, which takes a socket, before a test begins to look for sockets."""
    names = {"nonebot_hooks", "_nonebot_hooks"}
    if any(names & set(getattr(item, "fixturenames", ())) for item in session.items):
        ports.claim()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the timeline anew."""
    timeline.clear()
    item.stash[_KEPT] = Kept()


# As near to the body as possible: inside of what captures its output.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """End what the test has of the kit, and let its problems fail the test."""
    kept = item.stash.setdefault(_KEPT, Kept())
    try:
        result = yield
    except (Exception, pytest.fail.Exception):
        kept.end_body(is_good=False)
        raise
    if problem := kept.end_body(is_good=True):
        raise problem
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in a failure's report what else is wrong, and the timeline unless it has that."""
    report = yield
    # Another plugin may have ended the setup before it was here.
    kept = item.stash.setdefault(_KEPT, Kept())
    if report.failed:
        report.sections += kept.sections(report.longreprtext)
    if call.when == "teardown":
        del item.stash[_KEPT]  # With the drivers and the errors of the test.
    return report


class _Drivers:
    """A plugin with the fixture whose parameters only the configuration tells."""

    @classmethod
    def over(cls, lines: Iterable[str]) -> object:
        """Make the fixture run over lines."""

        @pytest.fixture(params=tuple(lines))
        def nonebot_driver(
            self: object, request: pytest.FixtureRequest, _nonebot_hooks: None
        ) -> str:
            """The DRIVER line of the bot; the test runs once for each of --nonebot-drivers.

            A test for some of them: @pytest.mark.parametrize("nonebot_driver", ["~fastapi"]).
            """
            line: str = request.param
            return line

        return type(cls.__name__, (), {"nonebot_driver": nonebot_driver})()


def _lines(config: pytest.Config) -> tuple[str, ...]:
    try:
        return drivers_to_test(chosen_in(config))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Collect what a platform is like: the marks, the nearest last, and the parameter."""
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers(_MARK))):
        if mark.args:
            text = f"the mark {_MARK} takes its arguments by name: hosts=[...], tls=True"
            pytest.fail(text, pytrace=False)
        options |= mark.kwargs
    options |= getattr(request, "param", {})
    taken = list(inspect.signature(Platform).parameters)
    if unknown := sorted(options.keys() - set(taken)):
        text = f"the mark {_MARK} does not take {', '.join(unknown)}, but {', '.join(taken)}"
        pytest.fail(text, pytrace=False)
    return options


def _driver_of_this_process() -> Any:
    """Return the driver of NoneBot2 where the tests have started it themselves, as by nonebug."""
    nonebot = sys.modules.get("nonebot")
    try:
        return None if nonebot is None else nonebot.get_driver()
    except ValueError:  # It has not been started.
        return None


def _platform_first(request: pytest.FixtureRequest) -> Platform | None:
    """Return the platform of the test, if it has one; it begins before the bots, and ends last."""
    if "nonebot_platform" not in request.fixturenames:
        return None
    platform: Platform = request.getfixturevalue("nonebot_platform")
    return platform
