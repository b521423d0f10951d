"""``StartBot`` and ``Serve``: what the fixtures ``nonebot_bot`` and ``nonebot_serve`` are.

They have a module of their own, so that a test, and a ``conftest.py`` too, may name the types of
its fixtures: of the plugin pytest warns if somebody imports it before pytest does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .hosting import Program
from .kept import Kept
from .process import BotProcess
from .served import Servable, Served

if TYPE_CHECKING:
    import pytest

D = TypeVar("D", bound=Servable)


class StartBot:
    """What `nonebot_bot` is: a call starts a bot, which is ended after the body of the test."""

    def __init__(self, request: pytest.FixtureRequest, driver: str, kept: Kept) -> None:
        """Take what the bots of one test have in common."""
        self._driver = driver
        self._kept = kept
        self._folders = (request.path.parent, *request.path.parent.parents)
        self._root = request.config.rootpath

    def __call__(
        self,
        program: Program,
        *,
        driver: str | None = None,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        **options: Any,
    ) -> BotProcess:
        """Start a bot in a process of its own, and return it when it is up.

        This blocks the loop of an async test meanwhile, but not the platform, which has a loop of
        its own. A test that serves something in its own loop, which the bot needs in order to
        start, awaits `start` instead.

        Args:
            program: Its ``bot.py``, looked for beside the test and in the folders above it up to
                pytest's root; or a function that runs between ``nonebot.init`` and
                ``nonebot.run``.
            driver: Its ``DRIVER`` line; None is the one of the test, `nonebot_driver`.
            settings: Its settings; None is none.
            env: Variables of its environment, beside those that lead to the hosts of the platform
                of the test; None is none.
            arguments: Arguments of its command line.
            **options: What else `BotProcess` takes.

        Raises:
            FileNotFoundError: There is no such file.
            DidNotStart: The bot does not start; the text has its log.
        """
        bot = self._make(program, driver, env, settings=settings, arguments=arguments, **options)
        return self._kept.keep(bot.__enter__())

    async def start(
        self,
        program: Program,
        *,
        driver: str | None = None,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        **options: Any,
    ) -> BotProcess:
        """Do what a call does, while the loop of the test goes on."""
        bot = self._make(program, driver, env, settings=settings, arguments=arguments, **options)
        return self._kept.keep(await bot.__aenter__())

    def _make(
        self, program: Program, driver: str | None, env: Mapping[str, str] | None, **options: Any
    ) -> BotProcess:
        platform = self._kept.platform
        return BotProcess(
            program if callable(program) else self._found(Path(program)),
            driver=self._driver if driver is None else driver,
            env={**({} if platform is None else platform.environment), **(env or {})},
            **options,
        )

    def _found(self, program: Path) -> Path:
        tried = [folder / program for folder in self._folders if folder.is_relative_to(self._root)]
        found = next((path for path in tried or [program] if path.is_file()), None)
        if found is None:
            raise FileNotFoundError(
                f"there is no {program}, neither beside the test nor above it; looked for "
                + ", ".join(map(str, tried or [program.absolute()]))
            )
        return found


class Serve:
    """What `nonebot_serve` is: a call makes a `Served`, which the test enters in its own loop."""

    def __init__(self, kept: Kept) -> None:
        """Take what is known of the test."""
        self._kept = kept

    def __call__(self, driver: D, **options: Any) -> Served[D]:
        """Serve a standalone driver: ``async with nonebot_serve(driver) as bot``.

        Args:
            driver: The driver, with its adapter.
            **options: As of `Served`.
        """
        served = Served(driver, **options)
        self._kept.served.append(served)
        return served
