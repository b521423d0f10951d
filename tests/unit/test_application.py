"""The driver's aiohttp application: a mapping as ever, and no FastAPI application."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp import Driver, FastAPINeeded, ValidationError
from nonebot_aiohttp.hosts.application import FASTAPI_NAMES, DriverApplication

HINT = "ask for it"
KEY = web.AppKey("key", str)

USES: dict[str, Any] = {
    "get": lambda app: app.get("/x"),
    "get by name": lambda app: app.get(path="/x"),
    "get the root": lambda app: app.get(""),
    "get with more": lambda app: app.get("/x", response_model=None),
    "get with a default": lambda app: app.get("/x", None, tags=["x"]),
    **{name: lambda app, name=name: getattr(app, name)("/x") for name in sorted(FASTAPI_NAMES)},
}


@pytest.fixture
def app() -> DriverApplication:
    return DriverApplication(HINT)


@pytest.mark.parametrize("use", USES)
def test_using_it_as_fastapi_says_what_to_do_instead(app: Any, use: str) -> None:
    with pytest.raises(FastAPINeeded, match=f"aiohttp application.*: {HINT}"):
        USES[use](app)


def test_it_can_be_asked_what_it_is(app: DriverApplication) -> None:
    assert isinstance(app, web.Application)
    assert not hasattr(app, "include_router")
    assert getattr(app, "mount", None) is None
    with pytest.raises(AttributeError, match="'DriverApplication' object has no attribute 'x'"):
        app.x  # noqa: B018


@pytest.mark.filterwarnings("ignore:It is recommended to use web.AppKey")
def test_it_is_a_mapping_as_ever(app: Any) -> None:
    app["name"], app[KEY], app["/path"] = 1, "two", 3
    assert (app.get("name"), app.get(KEY), app.get("/path")) == (1, "two", 3)
    assert (app.get("nothing"), app.get("nothing", 4), app.get(key="nothing", default=5)) == (
        None,
        4,
        5,
    )
    assert app.get(web.AppKey("other", int), 6) == 6
    assert app.setdefault("new", 7) == app["new"] == 7
    assert {"name", KEY, "/path", "new"} == set(app)


MADE = """
from nonebot_aiohttp.hosts.application import DriverApplication
app = DriverApplication("hint")
assert app.get("name") is None
"""


def test_aiohttp_warns_of_nothing_even_in_development_mode() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error::DeprecationWarning", "-c", MADE]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


def test_it_is_made_of_what_aiohttps_application_is_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tracing replaces the class, often after this package has been imported."""
    with pytest.warns(DeprecationWarning, match="Inheritance class Traced"):

        class Traced(web.Application):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, middlewares=[web.normalize_path_middleware()], **kwargs)

    monkeypatch.setattr(web, "Application", Traced)
    app = make().server_app
    # gunicorn's worker asks for this.
    assert isinstance(app, Traced)
    assert isinstance(app, DriverApplication)
    assert len(app.middlewares) == 1
    with pytest.raises(FastAPINeeded):
        app.get("/x")
    monkeypatch.undo()
    assert not make().server_app.middlewares


def make(**settings: Any) -> Driver:
    """Make a driver of this package's own face."""
    return Driver(SimpleNamespace(environment="test"), SimpleNamespace(**settings))  # type: ignore[arg-type]


def test_this_face_has_no_fastapi_application() -> None:
    with pytest.raises(FastAPINeeded, match=r"app\.router\.add_get.*driver\.asgi"):
        make().server_app.get("/x")


def test_its_asgi_application_is_not_a_fastapi_application_either() -> None:
    asgi: Any = make().asgi
    for name in ("get", "include_router"):
        with pytest.raises(FastAPINeeded, match=r"an ASGI application.*app\.router\.add_get"):
            getattr(asgi, name)
    with pytest.raises(AttributeError, match="'AsgiApplication' object has no attribute 'x'"):
        asgi.x  # noqa: B018
    assert getattr(asgi, "routes", []) == []


def test_the_setting_is_for_nonebot2() -> None:
    with pytest.raises(ValidationError, match=r"aiohttp_fastapi: .*nonebot_aiohttp\.nonebot2"):
        make(aiohttp_fastapi=True)
    assert make(aiohttp_fastapi=False).options.fastapi is False
