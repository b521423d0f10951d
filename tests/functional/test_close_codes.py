"""What a close says: its code and its reason, under every host and on the client's side alike."""

from __future__ import annotations

import asyncio
import enum
from typing import Any

import pytest

from nonebot_aiohttp import HTTPConnection, WebSocket, WebSocketClosed
from nonebot_aiohttp.connections.closing import encode_reason, replace_surrogates, sendable_code
from tests.support import frames
from tests.support.bots import Adapter, Decision, RecordingBot, make_driver
from tests.support.hosts import Serving
from tests.support.sides import READERS, Ends, Reader, Side, client_side, receive
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops


class Own(enum.IntEnum):
    """An adapter's own codes."""

    ENOUGH = 4001


GOOD = {
    # A bot that relays a close may hand on what it was told (RFC 6455, section 7.4.1).
    1005: 1000,
    1006: 1011,
    1015: 1011,
    **{code: code for code in (1000, 1003, 1007, 1014, 3000, 4999, Own.ENOUGH)},
}
"""Codes that may be asked for, and what goes on the wire."""

REASONS = {
    "half \ud83d": "half \ufffd",
    "\ude00 half": "\ufffd half",
    # Two halves that came apart, as from JSON that was cut in pieces.
    "whole \ud83d\ude00": "whole 😀",
    "再见": "再见",
    # A close frame has room for 123 bytes of it (RFC 6455, section 5.5).
    "x" * 200: "x" * 123,
    "你" * 50: "你" * 41,
    "é" * 62: "é" * 61,
    None: "",
}

CLOSES: dict[Any, tuple[int, str]] = {
    **{(code, ""): (sent, "") for code, sent in GOOD.items()},
    **{(4000, reason): (4000, sent) for reason, sent in REASONS.items()},
}
"""Code and reason that are asked for, and what goes on the wire."""

BAD: list[Any] = [-1, 0, 1, 999, 1004, 1016, 2999, 5000, 65536, 1000.0, "1000", None, True, b"", []]
"""What must not go on the wire (sections 7.4.1 and 7.4.2)."""


@pytest.mark.promise("reverse: a close has a code and a reason that may be sent")
@pytest.mark.parametrize(("asked", "sent"), CLOSES.items())
async def test_a_server_closes_with_code_and_reason(
    serving: Serving, adapter: Adapter, asked: Any, sent: tuple[int, str]
) -> None:
    """Trap: state that was set before what could raise left it half closed."""
    driver = make_driver(adapter)
    async with serving(driver) as host, host.bot_connected() as client:
        socket: Any = driver.bots["1"].request
        closing = asyncio.create_task(socket.end(*asked))
        close = await client.read_close()
        assert (close.close_code, close.close_reason) == sent
        await within(closing)
        await eventually(lambda: not driver.bots)
        with pytest.raises(WebSocketClosed) as closed:
            await socket.send("late")
        # It can be logged, and handed on.
        assert (closed.value.code, type(closed.value.code)) == (sent[0], int)
        assert closed.value.reason.startswith(sent[1] or "closed by this side")


@pytest.mark.promise("reverse: a close has a code and a reason that may be sent")
@pytest.mark.parametrize(("asked", "sent"), CLOSES.items())
async def test_a_client_closes_with_code_and_reason(asked: Any, sent: tuple[int, str]) -> None:
    async with client_side() as ends:
        closing = asyncio.create_task(ends.socket.end(*asked))
        close = await ends.peer.read_close()
        assert (close.close_code, close.close_reason) == sent
        await within(closing)
        assert ends.socket.closed


@pytest.mark.promise("reverse: a close has a code and a reason that may be sent")
async def test_a_server_refuses_any_other_code_and_goes_on(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.bot_connected() as client:
        socket: Any = driver.bots["1"].request
        for code in BAD:
            with pytest.raises(ValueError, match=r"Cannot close a WebSocket with .*1000 to 1003"):
                await within(socket.close(code))
            assert not socket.closed
        await driver.bots["1"].send(None, "still open")
        assert (await client.read_frame()).text == "still open"


async def test_a_client_refuses_any_other_code_and_goes_on(side: Side) -> None:
    async with side() as ends:
        for code in BAD:
            with pytest.raises(ValueError, match="Cannot close"):
                await within(ends.socket.end(code, "why"))
            assert not ends.socket.closed
        await ends.socket.send("still open")
        assert (await ends.peer.read_frame()).text == "still open"


async def test_a_wrong_code_before_the_handshake_has_done_nothing(serving: Serving) -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, WebSocket)
            with pytest.raises(ValueError, match="Cannot close"):
                await request.close(999)
            assert not request.closed
            return await super().decide(request)

    driver = make_driver(Recorder)
    async with serving(driver) as host, host.bot_connected():
        pass


async def test_a_wrong_code_after_the_end_is_an_error_too(side: Side) -> None:
    async with side() as ends:
        ends.socket.abort("enough")
        await ends.socket.close()
        with pytest.raises(ValueError, match="Cannot close"):
            await ends.socket.close(999)


ANSWERS: dict[int | None, int] = {
    **{code: code for code in (1000, 1001, 1013, 3000, 4001, 4999)},
    None: 1000,
    # No endpoint may send them.
    **dict.fromkeys((1006, 5000), 1002),
}
"""Codes that a peer closes with, and what answers it (RFC 6455, section 5.5.1)."""


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("code", "answer"), ANSWERS.items())
async def test_a_close_is_answered_with_its_own_code(
    side: Side, read: Reader, code: int | None, answer: int
) -> None:
    # The peer does not drop TCP: no answer waits for that, or for a second close.
    async with side(close_timeout=3600) as ends:
        await ends.peer.send_frame(frames.close(code, "" if code is None else "再见"))
        with pytest.raises(WebSocketClosed) as closed:
            await within(read(ends))
        assert closed.value.code == (code or 1005)
        answered = await ends.peer.read_frame()
        assert (answered.opcode, answered.close_code) == (frames.Opcode.CLOSE, answer)
        assert answered.close_reason == ("" if code is None else "再见")
        assert await ends.peer.read_to_end() == b""


async def test_a_close_is_answered_once_though_this_side_closes_too(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.create_task(receive(ends))
        await asyncio.sleep(0)
        await ends.peer.send_frame(frames.close(4001))
        await within(ends.socket.end(4002))
        assert (await ends.peer.read_frame()).close_code in (4001, 4002)
        assert await ends.peer.read_to_end() == b""
        with pytest.raises(WebSocketClosed):
            await within(reading)


async def test_an_answer_goes_on_without_its_reader(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.create_task(receive(ends))
        await ends.peer.send_frame(frames.close(4001))
        await eventually(lambda: ends.socket._ending is not None)
        reading.cancel()
        await asyncio.wait({reading})
        assert (await ends.peer.read_frame()).close_code == 4001
        assert await ends.peer.read_to_end() == b""


async def test_an_answer_that_cannot_be_sent_is_bounded(side: Side) -> None:
    async with side(close_timeout=0.1) as ends:
        ends.peer.stop_reading()
        sending = asyncio.create_task(send_on(ends))
        await eventually(lambda: ends.socket.transport.get_write_buffer_size() > 0)
        await ends.peer.send_frame(frames.close(4001, "enough"))
        with pytest.raises(WebSocketClosed, match="4001: enough"):
            await within(receive(ends))
        with pytest.raises(WebSocketClosed):
            await within(sending)
        await eventually(lambda: ends.socket.transport.get_write_buffer_size() == 0)


async def send_on(ends: Ends) -> None:
    """Send until that is an error."""
    while True:
        await ends.socket.send_bytes(bytes(1024 * 1024))


@pytest.mark.parametrize("reason", [b"bytes", b"", "再见".encode(), 0, 1, ["why"]])
async def test_a_reason_that_is_not_text_leaves_the_socket_open(side: Side, reason: Any) -> None:
    kind = type(reason).__name__
    async with side() as ends:
        with pytest.raises(TypeError, match=f"reason of a close must be text or None, not {kind}"):
            await ends.socket.end(4000, reason)
        assert not ends.socket.closed
        await ends.socket.send("still open")
        assert (await ends.peer.read_frame()).text == "still open"


def test_the_rule_of_codes() -> None:
    allowed = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    for code in (*range(-1, 5100), 65535, 65536):
        if code in GOOD or code in allowed:
            assert sendable_code(code) == GOOD.get(code, code)
        else:
            with pytest.raises(ValueError, match=f"with {code}: "):
                sendable_code(code)


def test_reasons_are_cut_where_characters_begin() -> None:
    assert encode_reason("再见") == "再见".encode()
    assert encode_reason("\ud800" * 50) == "\ufffd".encode() * 41
    assert replace_surrogates("\udc00\ud800") == "\ufffd" * 2
