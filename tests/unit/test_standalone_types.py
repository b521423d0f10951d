"""What type checkers know of an adapter's driver and settings: `mypy --strict` checks this file."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from nonebot_aiohttp import (
    Bot,
    Config,
    Driver,
    Env,
    HTTPConnection,
    HTTPRequest,
    HTTPResponse,
    load_config,
)
from tests.support import absent
from tests.support.documents import ROOT

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value: Any, kind: Any) -> Any:
        """Do nothing; type checkers compare the type."""
        return value


class Settings(Config):
    """An adapter's own settings."""

    my_url: str = "https://platform.example"


@dataclass
class Plain:
    """Settings without pydantic."""

    my_url: str = "https://platform.example"
    environment: str = "test"


class Common(Bot):
    """An adapter without settings of its own, which others may use."""

    @property
    def type(self) -> str:
        return "my"

    @classmethod
    async def check_permission(
        cls, driver: Driver, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        assert_type(driver.config, Config)
        return driver.config.access_token, None

    async def handle_message(self, message: bytes) -> None:
        assert_type(self.driver.session, aiohttp.ClientSession)
        assert_type(self.config, Config)
        self.config.my_url  # type: ignore[attr-defined] # noqa: B018

    async def _call_api(self, api: str, **data: Any) -> Any:
        async with self.driver.session.post("https://platform.example", json=data) as response:
            return await response.json()

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        return await self.call_api("send", message=message)


class Annotated(Common):
    """Its settings are annotated."""

    config: Settings

    @classmethod
    def register(cls, driver: Driver, config: Config, **kwargs: Any) -> None:
        super().register(driver, config, **kwargs)
        assert_type(cls.config.my_url, str)
        driver.on_bot_disconnect(left)

    async def handle_message(self, message: bytes) -> None:
        assert_type(self.config.my_url, str)


class Parametrized(Bot[Settings]):
    """Its settings are a parameter."""

    @property
    def type(self) -> str:
        return "my"

    @classmethod
    def register(cls, driver: Driver[Settings], config: Settings, **kwargs: Any) -> None:
        super().register(driver, config, **kwargs)
        assert_type(config.my_url, str)
        assert_type(cls.config.my_url, str)
        assert_type(cls.driver, Driver[Settings])

    @classmethod
    async def check_permission(
        cls, driver: Driver[Settings], request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        assert_type(driver.config.my_url, str)
        return "1", HTTPResponse(204)

    async def handle_message(self, message: bytes) -> None:
        assert_type(self.config.my_url, str)
        assert_type(self.driver.config.my_url, str)

    async def _call_api(self, api: str, **data: Any) -> Any: ...

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any: ...


class WithPlain(Bot[Plain]):
    """Its settings are any class."""

    @property
    def type(self) -> str:
        return "my"

    @classmethod
    async def check_permission(
        cls, driver: Driver[Plain], request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        return driver.config.my_url, None

    async def handle_message(self, message: bytes) -> None:
        assert_type(self.config, Plain)

    async def _call_api(self, api: str, **data: Any) -> Any: ...

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any: ...


def left(bot: Bot) -> None:
    """Take the bot of any adapter."""
    assert_type(bot.driver.session, aiohttp.ClientSession)


def timeout(driver: Driver) -> float | None:
    """Take a driver with any subclass of `Config`."""
    return driver.config.api_timeout


def test_settings_of_ones_own() -> None:
    driver = Driver(*load_config(Settings, _env_file=None))
    assert_type(driver, Driver[Settings])
    assert_type(driver.config.my_url, str)
    driver.register_adapter("annotated", Annotated)
    driver.register_adapter("parametrized", Parametrized)
    assert timeout(driver) == 30
    bot = Parametrized("1", HTTPRequest("1.1", "http", "/"))
    assert bot.config.my_url == "https://platform.example"
    taken: Bot = bot
    assert taken is bot


def test_settings_of_any_class() -> None:
    driver = Driver(Plain(), Plain())
    assert_type(driver, Driver[Plain])
    driver.register_adapter("plain", WithPlain)
    assert driver.env == "test"


def test_nonebots_settings() -> None:
    driver = Driver(*load_config(_env_file=None))
    assert_type(driver, Driver[Config])
    assert_type(Driver(Env(), Config(_env_file=None)), Driver[Config])
    driver.register_adapter("common", Common)


@pytest.mark.parametrize("option", [pytest.param("--strict", marks=absent.needs("mypy"))])
def test_mypy_accepts_this_file(option: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", option, "--config-file=", "--explicit-package-bases"]
    ran = subprocess.run(
        [*command, f"--cache-dir={tmp_path / 'cache'}", __file__],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
