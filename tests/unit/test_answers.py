"""What an adapter may answer with, and what the log says of what cannot be sent."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from nonebot_aiohttp.reverse.answers import Unsendable, sendable


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("200", b"", {}), "its status must be a number from 200 to 599, not str"),
        ((199, b"", {}), "its status must be a number from 200 to 599, not 199"),
        ((600, b"", {}), "its status must be a number from 200 to 599, not 600"),
        ((200, {"ok": True}, {}), "its body must be bytes or text, not dict"),
        ((200, b"", [("X", "1")]), "its headers must be a mapping, not list"),
        ((200, b"", {"X-One": 1}), "its header X-One must be text, not int"),
        ((200, b"", {"X One": "1"}), "the name of a header must be a token"),
        ((200, b"", {"X-One": "1\r\n2"}), "its header X-One must be printable text of one line"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(
    answer: tuple[Any, Any, Any], reason: str
) -> None:
    with pytest.raises(Unsendable, match=reason):
        sendable(*answer)


@pytest.mark.parametrize("body", ["h\u00e9", "h\u00e9".encode(), bytearray(b"h\xc3\xa9")])
def test_bodies_become_bytes(body: Any) -> None:
    assert sendable(200, body, None).body == b"h\xc3\xa9"
    assert sendable(200, memoryview(b"view"), None).body == b"view"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    assert sendable(status, b"body", None).body is None


def test_framing_is_left_out_and_names_may_come_twice() -> None:
    given = CIMultiDict([("Set-Cookie", "a=1"), ("Set-Cookie", " b=2 "), ("Content-Length", "9")])
    sent: Any = sendable(200, b"", given).headers
    assert list(sent.items()) == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
