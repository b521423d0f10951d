"""What a ``DRIVER`` line makes: the class, its parts and its name."""

import pytest
from nonebot.drivers import (
    ASGIMixin,
    ForwardDriver,
    HTTPClientMixin,
    ReverseDriver,
    WebSocketClientMixin,
)
from nonebot.drivers import Driver as BaseDriver

from ..support.choice import Candidate
from ..support.inprocess import make_driver, started


async def test_client_half(client_driver: Candidate) -> None:
    driver = make_driver(client_driver)
    assert isinstance(driver, BaseDriver)
    assert isinstance(driver, HTTPClientMixin)
    assert isinstance(driver, WebSocketClientMixin)
    assert isinstance(driver, ForwardDriver)
    assert isinstance(driver.type, str)
    assert driver.type.count("+") == client_driver.line.count("+")


async def test_server_half(server_driver: Candidate) -> None:
    driver = make_driver(server_driver, port=9090)
    assert issubclass(type(driver), ASGIMixin)
    assert issubclass(type(driver), ReverseDriver)
    assert callable(driver.asgi)
    assert (driver.env, driver.config.port, driver.bots) == ("test", 9090, {})
    assert driver.logger is not None


async def test_tasks_of_the_driver(client_driver: Candidate) -> None:
    driver = make_driver(client_driver)
    with pytest.raises(RuntimeError):
        _ = driver.task_group
    async with started(driver):
        assert driver.task_group is not None
    with pytest.raises(RuntimeError):
        _ = driver.task_group


async def test_life_again_after_its_end(client_driver: Candidate) -> None:
    driver = make_driver(client_driver)
    steps: list[str] = []
    driver.on_startup(lambda: steps.append("startup"))
    driver.on_shutdown(lambda: steps.append("shutdown"))
    for _ in range(2):
        async with started(driver):
            steps.append("running")
    assert steps == ["startup", "running", "shutdown"] * 2
