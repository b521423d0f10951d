"""Start NoneBot once for this suite, as nonebug's manual says."""

import os

import nonebot
import pytest
from nonebot.adapters.onebot.v11 import Adapter
from nonebug import NONEBOT_INIT_KWARGS


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NONEBOT_INIT_KWARGS] = {
        "driver": os.environ["DRIVER"],
        "onebot_access_token": "a token",
        "_env_file": None,
    }


@pytest.fixture(scope="session", autouse=True)
async def after_nonebot_init(_nonebot_init: None) -> None:
    nonebot.get_driver().register_adapter(Adapter)
    nonebot.load_builtin_plugin("echo")
