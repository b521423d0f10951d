"""The kit's fixtures in projects of authors: each runs in a pytest of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nonebot_aiohttp.testing.bots.drivers import OURS, STOCK, VARIABLE, drivers_to_test
from tests.support.loops import LOOPS, Loops
from tests.support.pytests import HEAD, Project

# Each starts a pytest.
pytestmark = pytest.mark.timeout(300)

ON_ANY_LOOP = """
@pytest.fixture
def anyio_backend():
    return "asyncio"


def test_without_a_loop(nonebot_platform):
    nonebot_platform.on("GET", "/x").reply(json=1)
    assert ask(nonebot_platform) == 200


# async test
async def test_platform(nonebot_platform):
    route = nonebot_platform.on("GET", "/x").reply(json=1)
    asking = asyncio.ensure_future(asyncio.to_thread(ask, nonebot_platform))
    assert (await route.expect()).path == "/x"
    assert await asking == 200


# async test
async def test_driver(nonebot_platform, nonebot_serve):
    nonebot_platform.on("POST", "/send", json={"text": "hello"}).reply(json={})
    nonebot_platform.on("POST", "/bye").reply(json={})
    async with nonebot_serve(echo_driver(nonebot_platform.url, bye=True)) as bot:
        await nonebot_platform.post(bot.url("/echo/"), json={"text": "hello"}, headers=HEADERS)


# async fixture
async def bot(nonebot_platform, nonebot_serve):
    driver = echo_driver(nonebot_platform.url, bye=True, forward=nonebot_platform.ws_url)
    nonebot_platform.on("POST", "/bye").reply(json={})
    async with nonebot_serve(driver) as bot:
        yield bot


# async test
async def test_driver_of_a_fixture(nonebot_platform, bot):
    connection = await nonebot_platform.connected()
    await connection.send({"text": "hello"})
    assert (await connection.expect()).json == {"text": "hello"}


# async test
async def test_unexpected(nonebot_platform):
    assert ask(nonebot_platform) == 501
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with the adapter that is tested."""
    return Project(tmp_path)


@pytest.mark.parametrize("loops", LOOPS, ids=str)
def test_loops(project: Project, loops: Loops) -> None:
    project.write("pytest.ini", "[pytest]\n")  # The options have all that is set.
    project.write_tests(loops.fill(ON_ANY_LOOP), loops.head + HEAD)
    ran = project.run(*loops.arguments)
    assert ran.counts == {"passed": 4, "failed": 1}, ran.text
    assert "UnexpectedRequests: unexpected: GET /x" in ran.part("test_unexpected")


def test_nothing_is_imported_early(project: Project) -> None:
    """The driver, whose coverage an author may measure, is not there before the first test."""
    project.write_tests(
        """
        import sys
        EARLY = {name.partition(".")[2] for name in sys.modules if name.startswith("nonebot")}

        def test_modules():
            kit = {name for name in EARLY if name.partition(".")[0] == "testing"}
            assert "testing.plugin" in kit
            assert EARLY - kit <= {""}

        def test_only_the_plugin_is_rewritten():
            from nonebot_aiohttp.testing.fixtures import kept
            from nonebot_aiohttp.testing import plugin
            from nonebot_aiohttp.testing.platforms import platform
            assert "@pytest_ar" in vars(plugin)
            assert "@pytest_ar" not in vars(platform)
        """,
        head="",
    )
    ran = project.run()
    assert ran.counts == {"passed": 2}, ran.text


def test_platform_by_marks_and_parameters(project: Project) -> None:
    project.write_tests(
        """
        pytestmark = pytest.mark.nonebot_platform(allow_unexpected=True)

        @pytest.mark.nonebot_platform(tls=True)
        def test_mark(nonebot_platform):
            assert nonebot_platform.url.startswith("https://")

        @pytest.mark.parametrize("nonebot_platform", [{"tls": True}, {}], indirect=True)
        def test_parameter(nonebot_platform, request):
            is_tls = request.node.callspec.params["nonebot_platform"].get("tls", False)
            assert nonebot_platform.url.startswith("https://") == is_tls

        @pytest.mark.nonebot_platform(allow_unused=True)
        def test_mark_of_the_module(nonebot_platform):
            nonebot_platform.on("GET", "/unused").reply(json=1)
            assert ask(nonebot_platform) == 501

        @pytest.mark.nonebot_platform(tsl=True)
        def test_wrong_name(nonebot_platform):
            pass

        @pytest.mark.nonebot_platform(["api.example.org"])
        def test_without_a_name(nonebot_platform):
            pass
        """
    )
    ran = project.run()
    assert ran.counts == {"passed": 4, "error": 2}, ran.text
    assert "does not take tsl, but hosts, tls, allow_unexpected" in ran.part("test_wrong_name")
    assert "by name: hosts=[...], tls=True" in ran.part("test_without_a_name")


def test_hooks(project: Project) -> None:
    """A hook of one test does not see the calls of the next, whichever fixture that has."""
    project.write_tests(
        """
        SEEN = []

        def calls():
            async def hook(bot, api, data):
                SEEN.append(api)
            Bot.on_calling_api(hook)

        def test_registers(nonebot_serve):
            calls()

        def test_registers_too(nonebot_hooks):
            calls()
            assert len(nonebot_hooks.added()) == 1

        async def test_calls(nonebot_platform, nonebot_serve):
            nonebot_platform.on("POST", "/send").reply(json={})
            async with nonebot_serve(echo_driver(nonebot_platform.url)) as bot:
                url = bot.url("/echo/")
                await nonebot_platform.post(url, json={"text": "hello"}, headers=HEADERS)
            assert SEEN == []
        """
    )
    ran = project.run()
    assert ran.counts == {"passed": 3}, ran.text


def test_hooks_that_an_adapter_leaves_behind(project: Project) -> None:
    """A hook that is registered while a driver runs fails a test that does not ask for hooks."""
    project.write_tests(
        """
        async def hook(bot, api, data):
            pass

        async def serves(nonebot_serve):
            async with nonebot_serve(echo_driver("http://127.0.0.1:9")):
                Bot.on_calling_api(hook)

        async def test_leaves(nonebot_serve):
            await serves(nonebot_serve)

        async def test_takes_back(nonebot_serve, nonebot_hooks):
            await serves(nonebot_serve)

        async def test_is_clean(nonebot_serve, nonebot_hooks):
            assert hook not in Bot._calling_api_hook
        """
    )
    ran = project.run()
    assert ran.counts == {"passed": 2, "failed": 1}, ran.text
    assert "a hook that nobody has removed: on_calling_api" in ran.part("test_leaves"), ran.text


class TestDrivers:
    """The drivers that a test runs on."""

    SUITE = """
    def test_driver(nonebot_driver):
        pass

    @pytest.mark.parametrize("nonebot_driver", ["~fastapi"])
    def test_one(nonebot_driver):
        pass
    """

    def lines(
        self, project: Project, *options: str, env: dict[str, str] | None = None
    ) -> list[str]:
        """Return the drivers on which the first test runs."""
        project.write_tests(self.SUITE)
        ran = project.run("--collect-only", "-q", *options, env=env)
        assert ran.code == 0, ran.text
        assert ran.text.count("test_it.py::test_one[~fastapi]") == 1
        return re.findall(r"^test_it\.py::test_driver\[(.+)\]$", ran.text, re.M)

    def test_option(self, project: Project) -> None:
        options = ["--nonebot-drivers", "stock, ~none"]
        assert self.lines(project, *options, env={VARIABLE: "a"}) == [*STOCK, "~none"]

    def test_environment(self, project: Project) -> None:
        project.write("pytest.ini", "[pytest]\nnonebot_drivers = b\n")
        assert self.lines(project, env={VARIABLE: "a"}) == ["a"]

    def test_configuration(self, project: Project) -> None:
        project.write("pytest.ini", "[pytest]\nnonebot_drivers =\n    ~a+~b\n    ours\n")
        assert self.lines(project, env={VARIABLE: ""}) == ["~a+~b", OURS]

    def test_default(self, project: Project) -> None:
        assert self.lines(project, env={VARIABLE: ""}) == list(drivers_to_test())

    def test_suites(self, project: Project) -> None:
        project.write_tests(
            """
            from nonebot_aiohttp.testing.suites import PollingSuite

            class TestMine(PollingSuite):
                def settings(self, platform):
                    return {}

                event = said = result = updates = settings
            """
        )
        ran = project.run("--collect-only", "-q", "--nonebot-drivers=a, b", env={VARIABLE: "c"})
        found = re.findall(r"::test_an_event_is_answered\[(.+)\]$", ran.text, re.M)
        assert found == ["a", "b"], ran.text

    def test_own_fixture(self, project: Project) -> None:
        """A project that wants something else overrides the fixture, as any other."""
        project.write_tests(
            """
            @pytest.fixture(params=["x", "y"])
            def nonebot_driver(request):
                return request.param

            def test_driver(nonebot_driver):
                assert nonebot_driver in "xy"
            """
        )
        ran = project.run()
        assert ran.counts == {"passed": 2}, ran.text

    def test_nothing_chosen(self, project: Project) -> None:
        project.write_tests("")
        ran = project.run("--nonebot-drivers=,")
        assert ran.code == pytest.ExitCode.USAGE_ERROR
        assert "no driver is chosen" in ran.text


def test_help(project: Project) -> None:
    """The fixtures and the mark are described by pytest itself."""
    text = project.run("--fixtures").text
    for name in ("platform", "driver", "bot", "serve", "hooks"):
        assert re.search(rf"^nonebot_{name} -- .+\n    \w", text, re.M), text
    assert "@pytest.mark.nonebot_platform(hosts=(), tls=False" in project.run("--markers").text
    assert "--nonebot-drivers" in project.run("--help").text
