"""Any bytes on the HTTP port: never a crash, never a hang, and the server serves on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonebot_aiohttp.connections.handshakes import CAN_KEEP_BYTES
from tests.stress.conftest import SETTINGS
from tests.stress.generated import field_values, many, methods, token
from tests.stress.walking.walk import errors_noted
from tests.support.bots import RecordingBot
from tests.support.hosts import Host
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

EVENT = b"event"
LIMIT = SETTINGS["aiohttp_max_body_size"]


@pytest.fixture
async def errors() -> AsyncIterator[list[str]]:
    """Give what is logged as an error; nothing that a stranger sends may be."""
    noted: list[str] = []
    with errors_noted(noted.append):
        yield noted


async def throw(host: Host, chunks: list[bytes]) -> bytes:
    """Send bytes and the end, and read to the other end; hanging fails by the client's patience."""
    async with await host.client() as client:
        try:
            for chunk in chunks:
                await client.send(chunk)
                # Let the server see each chunk by itself.
                await asyncio.sleep(0)
            client.end_writing()
        except OSError:
            # It has hung up already.
            pass
        return await client.read_to_end()


async def check_server(host: Host, adapter: type[RecordingBot], errors: list[str]) -> None:
    """Check that a good webhook is answered and handled, and that there was no error."""
    adapter.messages.clear()
    response = await host.post(EVENT)
    assert response.status == 200
    assert adapter.messages == [EVENT]
    noted, errors[:] = errors[:], []
    assert noted == []


def check_answers(received: bytes) -> None:
    assert not received or received.startswith((b"HTTP/", b"\x88")), received[:80]
    assert b" 500 " not in received[:20], received


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


cuts = st.lists(st.integers(0, 4000), max_size=4)


@many
@given(data=st.binary(max_size=2000), cuts=cuts)
async def test_any_bytes(
    host: Host, adapter: type[RecordingBot], errors: list[str], data: bytes, cuts: list[int]
) -> None:
    """Hardly any of them are a request."""
    check_answers(await throw(host, split(data, cuts)))
    await check_server(host, adapter, errors)


NO_URLS = ["http://["] if CAN_KEEP_BYTES else []
"""Old releases of aiohttp drop the connection with a traceback (3.14 does not)."""

lines = st.tuples(
    methods | token,
    st.sampled_from(["/recorder/", "/recorder/ws", "*", *NO_URLS, "//", "/%zz", "/\xff", ""])
    | st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=20),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP/", ""]),
).map(" ".join)

fields = st.tuples(
    st.sampled_from(
        [
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Expect",
            "Upgrade",
            "Host",
            "Origin",
            "X-Self-ID",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Content-Encoding",
            "Cookie",
        ]
    )
    | token,
    st.sampled_from(
        [
            "0",
            "5",
            "-1",
            "99999999999999999999",
            "1000",
            "chunked",
            "gzip, chunked",
            "close",
            "websocket",
            "keep-alive, Upgrade",
            "100-continue",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "13",
        ]
    )
    | field_values,
).map(": ".join) | st.just("Expect: 100-continue")

bodies = st.binary(max_size=40) | st.sampled_from(
    [b"5\r\nevent\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"-1\r\n\r\n", b"5;x\r\nab"]
)


@st.composite
def almost_requests(draw: st.DrawFn) -> bytes:
    """Draw requests that have much in common with good ones."""
    head = [draw(lines), *draw(st.lists(fields, max_size=8)), "", ""]
    ends = draw(st.sampled_from(["\r\n", "\r\n", "\r\n", "\n"]))
    return ends.join(head).encode("latin-1", "replace") + draw(bodies)


@many
@given(requests=st.lists(almost_requests(), min_size=1, max_size=3), cuts=cuts)
async def test_almost_requests(
    host: Host,
    adapter: type[RecordingBot],
    errors: list[str],
    requests: list[bytes],
    cuts: list[int],
) -> None:
    """They get further than noise does, and sometimes all the way."""
    check_answers(await throw(host, split(b"".join(requests), cuts)))
    await check_server(host, adapter, errors)


@many
@given(body=st.binary(max_size=1500), cuts=cuts, keep=st.integers(0, 1500))
async def test_a_body_arrives_as_it_was_sent_or_not_at_all(
    host: Host, adapter: type[RecordingBot], body: bytes, cuts: list[int], keep: int
) -> None:
    """Whatever the pieces, and wherever it ends too early."""
    adapter.messages.clear()
    head = f"POST /recorder/ HTTP/1.1\r\nHost: x\r\nX-Self-ID: 1\r\nContent-Length: {len(body)}\r\n"
    chunks = split(head.encode() + b"\r\n" + body[:keep], cuts)
    if len(body) <= LIMIT and keep < len(body):
        # It ends here; aiohttp takes the end of one direction for the end of both.
        assert b" 200 " not in await throw(host, chunks)
        assert adapter.messages == []
        return
    async with await host.client() as client:
        await client.send(*chunks)
        response = await client.read_response()
    assert response.status == (200 if len(body) <= LIMIT else 413)
    assert adapter.messages == ([body] if len(body) <= LIMIT else [])


async def test_a_client_that_goes_within_its_body_is_no_failure_of_the_adapter(
    host: Host, logs: Logs
) -> None:
    """It is refused like any other broken request: no error, no traceback."""
    async with await host.client() as client:
        await client.send(
            b"POST /recorder/ HTTP/1.1\r\nHost: x\r\nX-Self-ID: 1\r\nContent-Length: 9\r\n\r\nhalf"
        )
        await settle()
        client.reset()
        await eventually(lambda: logs.matching("the client went away"))
    assert logs.messages("ERROR") == []
