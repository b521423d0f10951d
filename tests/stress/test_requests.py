"""Headers, paths and bodies into `HTTPRequest`: both transports make the same of one request."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonebot_aiohttp import Driver, HTTPConnection, HTTPRequest
from nonebot_aiohttp.registration import name_problem
from tests.stress.generated import field_values, many, token
from tests.support.bots import RecordingBot, make_driver
from tests.support.hosts import Host, asgi, own_process

# What speaks of the connection itself, or of how the body is sent.
RESERVED = {
    *("connection", "content-encoding", "content-length", "expect", "host", "http2-settings"),
    *("keep-alive", "origin", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    "x-self-id",
}

names = st.sampled_from(["Cookie", "cookie", "X-A", "x-a", "Accept"]) | token
headers = st.lists(st.tuples(names, field_values), max_size=8).map(
    lambda pairs: [pair for pair in pairs if pair[0].lower() not in RESERVED]
)
adapters = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="/"),
    min_size=1,
    max_size=8,
).filter(lambda name: name_problem(name) is None)
queries = st.text("abcABC012-._~!$&'()*+,;=:@/?%", max_size=20) | st.text(max_size=8).map(quote)
target_ends = st.tuples(st.sampled_from(["", "/", "/http", "/http/"]), queries)


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join headers as the design wants it."""
    made: dict[str, str] = {}
    for name, value in pairs:
        separator = "; " if name.lower() == "cookie" else ", "
        before = made.get(name.lower())
        value = value.encode("latin-1").decode("utf-8", "surrogateescape")
        made[name.lower()] = value if before is None else before + separator + value
    return made


def check_headers(request: HTTPConnection, sent: list[tuple[str, str]]) -> None:
    own = {"host", "content-length", "x-self-id"}
    got = {name: value for name, value in request.headers.items() if name not in own}
    assert got == joined(sent)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Put back the handler of SIGINT: uvicorn restores the one that the set-up had for itself."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
async def transports(
    adapter: type[RecordingBot], interruptible: None
) -> AsyncIterator[list[tuple[Driver, Host]]]:
    """Give a driver behind each transport."""
    drivers = make_driver(), make_driver()
    async with own_process(drivers[0]) as first, asgi(drivers[1]) as second:
        yield list(zip(drivers, (first, second), strict=True))


@many
@given(name=adapters, target_end=target_ends, sent=headers, body=st.binary(max_size=100))
async def test_both_transports_agree(
    transports: list[tuple[Driver, Host]],
    adapter: type[RecordingBot],
    name: str,
    target_end: tuple[str, str],
    sent: list[tuple[str, str]],
    body: bytes,
) -> None:
    """Lowercased, joined, decoded; the query and the body as they came."""
    end, query = target_end
    target = f"/{quote(name, safe='')}{end}" + (f"?{query}" if query else "")
    requests = []
    for driver, host in transports:
        driver.register_adapter(name, adapter)
        response = await host.request("POST", target, [("X-Self-ID", "1"), *sent], body)
        assert response.status == 200, response
        request = adapter.requests.pop()
        assert isinstance(request, HTTPRequest)
        requests.append(request)
        assert request.path == f"/{name}{end}"
        assert request.query_string == query.encode()
        assert adapter.messages.pop() == request.body == body
        check_headers(request, sent)
    assert requests[0] == requests[1]
