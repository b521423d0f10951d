"""LOG_LEVEL under each host: it filters the package's own records, whatever sinks there are."""

from __future__ import annotations

import re

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import GUNICORN, HOSTS, UVICORN, Host

under_each_host = pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)

OWN_LINE = re.compile(r"\bnonebot_aiohttp\.\w+")
"""A line of the package's own, in loguru's default format or in that of ``run()``."""


@pytest.mark.promise("life: LOG_LEVEL filters the package's own records for every sink")
@under_each_host
async def test_the_level_of_the_log_holds_under_each_host(host: Host, launch: Launch) -> None:
    program = launch(host, log_level="ERROR", aiohttp_teapot=1)
    await program.noted("started")
    program.stop()
    await program.ended()
    assert not OWN_LINE.search(program.log)


@pytest.mark.parametrize("host", [GUNICORN, UVICORN], ids=lambda host: host.name)
async def test_what_is_logged_before_the_start_is_logged_once(host: Host, launch: Launch) -> None:
    program = launch(host, log_level="INFO", aiohttp_teapot=1)
    await program.noted("started")
    program.stop()
    await program.ended()
    assert program.log.count("The setting aiohttp_teapot is unknown and ignored") == 1
    assert "Registered adapter" not in program.log
