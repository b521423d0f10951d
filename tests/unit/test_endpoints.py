"""The pure parts of the endpoints: paths, headers, origins, and how often a refusal is logged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from nonebot_aiohttp import DriverOptions, HTTPRequest
from nonebot_aiohttp.life.lifespan import Lifespan
from nonebot_aiohttp.reverse import gate as gate_module
from nonebot_aiohttp.reverse.adapter_endpoints import AdapterTarget, target_of
from nonebot_aiohttp.reverse.asgi_transport import local_path
from nonebot_aiohttp.reverse.gate import Gate, is_same_origin
from nonebot_aiohttp.reverse.headers import join_headers
from nonebot_aiohttp.reverse.refusals import Refused, upgrade_required
from tests.support.logs import Logs


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a", AdapterTarget("a", is_websocket=False)),
        ("/a/", AdapterTarget("a", is_websocket=False)),
        ("/a/http", AdapterTarget("a", is_websocket=False)),
        ("/a/http/", AdapterTarget("a", is_websocket=False)),
        ("/a/ws", AdapterTarget("a", is_websocket=True)),
        ("/a/ws/", AdapterTarget("a", is_websocket=True)),
        ("/ws", AdapterTarget("ws", is_websocket=False)),
        ("/你好/ws", AdapterTarget("你好", is_websocket=True)),
        ("/a b/", AdapterTarget("a b", is_websocket=False)),
        ("", None),
        ("/", None),
        ("//", None),
        ("//ws", None),
        ("a/ws", None),
        ("/a//", None),
        ("/a/WS", None),
        ("/a/ws/x", None),
        ("/a/other", None),
        ("/a/http//", None),
    ],
)
def test_what_a_path_leads_to(path: str, target: AdapterTarget | None) -> None:
    assert target_of(path) == target


@pytest.mark.promise("webhook: header names are lowercased, and repeated headers joined in order")
@pytest.mark.parametrize(
    ("pairs", "headers"),
    [
        ([], {}),
        ([("X-Self-ID", "1")], {"x-self-id": "1"}),
        ([("A", "2"), ("b", "x"), ("a", "1")], {"a": "2, 1", "b": "x"}),
        ([("Cookie", "a=1"), ("COOKIE", "b=2")], {"cookie": "a=1; b=2"}),
        ([("A", ""), ("A", ""), ("A", "x")], {"a": ", , x"}),
    ],
)
def test_headers_are_lowercased_and_joined_in_order(
    pairs: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    assert join_headers(CIMultiDict(pairs)) == headers


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "same"),
    [
        ("http://localhost", "localhost", "http", True),
        ("http://localhost:80", "localhost", "http", True),
        ("http://localhost", "localhost:80", "http", True),
        ("http://localhost:8080", "localhost:8080", "http", True),
        ("http://localhost:8080", "localhost:8080", "ws", True),
        ("https://localhost", "localhost", "wss", True),
        ("https://localhost", "localhost:443", "https", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "http", True),
        ("http://[::1]:8080", "[::1]:8080", "http", True),
        ("http://LOCALHOST", "localhost", "http", True),
        ("http://localhost:8080", "localhost:8081", "http", False),
        ("http://localhost", "localhost:8080", "http", False),
        ("https://localhost", "localhost", "http", False),
        ("http://localhost", "localhost", "https", False),
        ("http://127.0.0.1", "localhost", "http", False),
        ("http://evil.example", "localhost", "http", False),
        ("http://rebound.example", "rebound.example", "http", False),
        ("http://rebound.example:8080", "rebound.example:8080", "http", False),
        ("http://localhost.example", "localhost.example", "http", False),
        ("null", "localhost", "http", False),
        ("", "localhost", "http", False),
        ("http://localhost", "", "http", False),
        ("http://localhost:port", "localhost", "http", False),
        ("http://[::1", "[::1", "http", False),
        ("file://", "localhost", "http", False),
        ("http://localhost", "localhost", "gopher", False),
        ("http://localhost/path", "localhost", "http", True),
        ("http://127.0.0.1", "user@127.0.0.1", "http", True),
    ],
)
def test_which_origins_are_the_requests_own(
    origin: str, host: str, scheme: str, same: bool
) -> None:
    """DNS rebinding can forge names, but neither `localhost` nor an IP address."""
    request = HTTPRequest("1.1", scheme, "/", headers={"host": host})
    assert is_same_origin(origin, request) == same


def test_without_a_host_no_origin_is_its_own() -> None:
    assert not is_same_origin("http://localhost", HTTPRequest("1.1", "http", "/"))


@pytest.mark.parametrize(
    ("path", "root", "local"),
    [
        ("/a/ws", "", "/a/ws"),
        ("/bot/a/ws", "/bot", "/a/ws"),
        ("/bot/a/ws", "/bot/", "/a/ws"),
        ("/a/ws", "/bot", "/a/ws"),
        ("/bot", "/bot", "/bot"),
        ("/bots/ws", "/bot", "/bots/ws"),
    ],
)
def test_the_path_below_root_path(path: str, root: str, local: str) -> None:
    assert local_path({"path": path, "root_path": root}) == local


def test_a_scope_may_lack_root_path() -> None:
    assert local_path({"path": "/a"}) == "/a"


@pytest.mark.promise("data: the log says once why a request was refused")
def test_a_refusal_is_logged_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    now = [100.0]
    monkeypatch.setattr(gate_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    gate, refused = make_gate(), Refused(403, "{no} <markup>")
    for _ in range(3):
        assert gate.refuse("one", refused) is refused.response
    gate.refuse("two", refused)
    assert logs.messages("WARNING") == [
        "Refused one from an unknown peer with 403: {no} <markup>",
        "Refused two from an unknown peer with 403: {no} <markup>",
    ]
    now[0] += gate_module.QUIET_SECONDS
    gate.refuse("one", refused)
    assert len(logs.messages("WARNING")) == 3


def test_a_flood_of_refusals_costs_no_redaction(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    def loggable(text: str, longest: int) -> str:
        cleaned.append(text)
        return text

    monkeypatch.setattr(gate_module, "loggable", loggable)
    gate, scope = make_gate(), {"client": ("10.0.0.7", 1234)}
    for _ in range(9):
        gate.refuse("a webhook of my", Refused(403, "no", detail="https://a.example"), scope)
    assert cleaned == ["no: https://a.example"]


@pytest.mark.parametrize(("status", "logged"), [(200, 0), (399, 0), (400, 1), (503, 1)])
def test_an_answered_challenge_is_not_logged_as_a_refusal(
    status: int, logged: int, logs: Logs
) -> None:
    assert make_gate().refuse("one", Refused(status, "challenge")).status == status
    assert len(logs.messages("WARNING")) == logged


def test_a_refusal_names_its_headers_with_hyphens() -> None:
    response = Refused(503, "later", retry_after="5").response
    assert (response.status, response.body) == (503, b"later")
    assert response.headers == {"retry-after": "5", "content-type": "text/plain; charset=utf-8"}


def test_upgrade_required_says_how_to_upgrade() -> None:
    """RFC 9110, sections 7.8 and 15.5.22."""
    headers = upgrade_required().response.headers
    assert (headers["upgrade"], headers["connection"]) == ("websocket", "upgrade")


def make_gate() -> Gate:
    lifespan: Any = object.__new__(Lifespan)
    return Gate(DriverOptions(), lifespan)
