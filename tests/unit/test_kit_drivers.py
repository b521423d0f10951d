"""Which drivers the kit's tests run on."""

from __future__ import annotations

import importlib.util

import pytest

from nonebot_aiohttp.testing.bots.drivers import (
    OURS,
    STOCK,
    VARIABLE,
    drivers_to_test,
    is_installed,
)


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_by_default_stock_drivers_that_are_installed_and_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = {"fastapi", "aiohttp", "httpx"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name in installed else None
    )
    assert drivers_to_test() == ("~fastapi+~aiohttp", OURS)
    installed.add("websockets")
    assert drivers_to_test() == (*STOCK, OURS)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f" ~none+~httpx , {OURS},")
    assert drivers_to_test() == ("~none+~httpx", OURS)


def test_groups_have_names_and_each_line_comes_once() -> None:
    assert drivers_to_test("stock") == STOCK
    assert drivers_to_test(["Ours", STOCK[0], "stock"]) == (OURS, *STOCK)


def test_nothing_is_no_choice() -> None:
    with pytest.raises(ValueError, match=rf"no driver is chosen: .* {VARIABLE}=~fastapi"):
        drivers_to_test(" , ")


def test_what_is_not_nonebots_own_counts_as_installed() -> None:
    assert is_installed(OURS)
    assert is_installed(f"~none+{OURS}")
    assert not is_installed("~none+~no_such_library")
