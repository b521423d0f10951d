"""What `check_permission` returns is checked before anything starts, under every host alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import HTTPConnection, HTTPResponse, WebSocket
from nonebot_aiohttp.reverse.decisions import WrongDecision, is_decision
from tests.support.bots import Adapter, Decision, deciding, make_driver
from tests.support.hosts import Host, Serving, own_process
from tests.support.logs import Logs

WANTED = "must return (id or None, HTTPResponse or None), not"
FAILED = (500, "the adapter failed")

WRONG: list[tuple[Any, str]] = [
    (None, "None"),
    ("ab", "'ab'"),
    ("1", "'1'"),
    ("", "''"),
    (True, "True"),
    (("1", "ok"), "('1', 'ok')"),
    ((None, "no"), "(None, 'no')"),
    (("1",), "('1',)"),
    ((), "()"),
    (("1", None, 3), "('1', None, 3)"),
    (["1", None], "['1', None]"),
    (("0123abcd" * 4, 5), "('***', 5)"),
    ({"1": None}, "dict"),
    (HTTPResponse(200), "HTTPResponse"),
    (("1", HTTPResponse), "('1', type)"),
    (("1", {"status": 200}), "('1', dict)"),
    (("1", 204), "('1', 204)"),
    ((1, None), "(1, None); an id is text"),
    ((0, None), "(0, None); an id is text"),
    ((b"1", None), "(b'1', None); an id is text"),
    ((object(), None), "(object, None); an id is text"),
]


def returning(decision: Any) -> Adapter:
    async def decide(request: HTTPConnection) -> Decision:
        return decision  # type: ignore[no-any-return]

    return deciding(decide)


@pytest.mark.promise("webhook: what check_permission returns is checked before the handler starts")
@pytest.mark.promise("reverse: what check_permission returns is checked before the upgrade")
@pytest.mark.parametrize(("decision", "shown"), WRONG, ids=[shown for _, shown in WRONG])
async def test_what_is_not_a_decision_starts_nothing(
    serving: Serving, logs: Logs, decision: Any, shown: str
) -> None:
    """Trap: `"ab"` let a WebSocket in as bot `a`."""
    adapter = returning(decision)
    driver = make_driver(adapter)
    async with serving(driver) as host:
        response = await host.post()
        assert (response.status, response.text) == FAILED
        await check_refused(host)
        assert driver.bots == {}
    assert adapter.messages == []
    # Once in a while, as refusals are logged.
    name = f"{adapter.__module__}.{adapter.__qualname__}"
    assert logs.messages("WARNING") == [f"{name}.check_permission {WANTED} {shown}"]
    assert logs.messages("ERROR") == []


async def check_refused(host: Host) -> None:
    """Check that a handshake is refused."""
    async with await host.client() as client:
        response = await host.upgrade(client)
    # Under ASGI a server may have one status for all refusals.
    assert response.status in (FAILED[0], 403)
    if host.transport == "aiohttp":
        assert (response.status, response.text) == FAILED


async def test_a_socket_that_its_adapter_has_accepted_is_closed() -> None:
    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        await request.accept()
        return "ab"  # type: ignore[return-value]

    driver = make_driver(deciding(decide))
    async with own_process(driver) as host, host.connected() as client:
        assert (await client.read_close()).close_code == 1011


@pytest.mark.parametrize(
    "response",
    [
        SimpleNamespace(status="200", body=b"", headers={}),
        SimpleNamespace(status=99, body=b"", headers={}),
        SimpleNamespace(status=200, body=5, headers={}),
        HTTPResponse(200, b"", {"x-number": 5}),  # type: ignore[dict-item]
    ],
)
async def test_a_response_that_cannot_be_sent_starts_no_handler(
    serving: Serving, response: Any
) -> None:
    adapter = returning(("1", response))
    async with serving(make_driver(adapter)) as host:
        got = await host.post()
        assert (got.status, got.text) == FAILED
    assert adapter.messages == []


class Slotted:
    """A response of another framework."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        self.status, self.body, self.headers = 202, "text", None


async def test_responses_of_other_frameworks_are_taken(serving: Serving) -> None:
    for response in (Slotted(), SimpleNamespace(status=202, body="text", headers={})):
        adapter = returning(("1", response))
        async with serving(make_driver(adapter)) as host:
            got = await host.post()
            assert (got.status, got.text) == (202, "text")
            async with host.connected():
                pass
        assert adapter.messages == [b"event"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 1000, f"'{'x' * 59}..."),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("https://user:s3cret@platform.example/?token=s3cret", "'https://platform.example/'"),
        ("token=s3cret", "'token=***'"),
        ((None,) * 9, "(None, None, None, None, ...)"),
        ([["s3cret"]], "[list]"),
        ((10**5000, None), "(int, None); an id is text"),
        ((None, RuntimeError("s3cret"), None), "(None, RuntimeError, None)"),
        ((1.5, None), "(float, None); an id is text"),
    ],
)
def test_a_decision_is_shown_in_one_line_without_secrets(value: Any, shown: str) -> None:
    assert not is_decision(value)
    text = str(WrongDecision(Slotted, value))
    assert text == f"{__name__}.Slotted.check_permission {WANTED} {shown}"
