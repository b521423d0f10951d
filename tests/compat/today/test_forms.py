"""`nonebot_aiohttp.nonebot2.forms` by itself: what it reads exactly, and where it gives up."""

from typing import Any
from urllib.parse import quote

import nonebot.log
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonebot_aiohttp.nonebot2 import forms
from nonebot_aiohttp.nonebot2.forms import (
    MAX_HEAD,
    MAX_PADDING,
    MAX_PARTS,
    parse_form,
    parse_multipart,
)

BOUNDARY = "3f1c5d0e"
KIND = f"multipart/form-data; boundary={BOUNDARY}"

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))
PARTS = st.lists(st.tuples(NAMES, st.none() | NAMES, st.binary(max_size=200)), max_size=8)


def quoted(text: str) -> str:
    """Quote a parameter (RFC 9110, section 5.6.4)."""
    return text.replace("\\", r"\\").replace('"', r"\"").join('""')


def encode(*parts: tuple[str, bytes], boundary: str = BOUNDARY) -> bytes:
    """Write a multipart body of heads and contents."""
    chunks = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + body for head, body in parts]
    return b"\r\n".join([*chunks, f"--{boundary}--\r\n".encode()])


def named(name: str, filename: str | None = None) -> str:
    """Write the head of a part."""
    head = f"Content-Disposition: form-data; name={quoted(name)}"
    return head if filename is None else f"{head}; filename={quoted(filename)}"


def read(kind: str, body: bytes) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    fields, files = parse_form(kind, body)
    return fields, [(name, filename, file.read(), of) for name, (filename, file, of) in files]


def text_of(data: bytes) -> str:
    """Decode as NoneBot's own servers do."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


@given(PARTS)
def test_round_trip(parts: list[tuple[str, str | None, bytes]]) -> None:
    body = encode(*((named(name, filename), data) for name, filename, data in parts))
    fields = {name: text_of(data) for name, file, data in parts if file is None}
    files = [(name, file, data, None) for name, file, data in parts if file is not None]
    assert read(KIND, body) == (fields, files)


@given(NAMES)
def test_encoded_file_name(filename: str) -> None:
    head = (
        f"content-disposition: form-data; name=f; filename=x; filename*=utf-8'en'{quote(filename)}"
    )
    assert read(KIND, encode((head, b"1"))) == ({}, [("f", filename, b"1", None)])


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [("iso-8859-1''%E9", "é"), ("no-such''%E9", "plain"), ("utf-8", "plain"), ("''x", "plain")],
)
def test_charset_of_a_file_name(encoded: str, expected: str) -> None:
    head = f"{named('f', 'plain')}; filename*={encoded}"
    assert read(KIND, encode((head, b"")))[1] == [("f", expected, b"", None)]


def test_head_of_many_lines() -> None:
    head = f"X-Other: 1\r\ncontent-type: image/png \r\n{named('f', 'a')}"
    assert read(KIND, encode((head, b"1"))) == ({}, [("f", "a", b"1", "image/png")])


def test_quoted_boundary() -> None:
    boundary = "a b;c=d"
    body = encode((named("a"), b"1"), boundary=boundary)
    assert read(f'Multipart/Form-Data; charset=utf-8; Boundary="{boundary}"', body) == (
        {"a": "1"},
        [],
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        f"--{BOUNDARY}--".encode(),
        encode((named("a"), b"1"))[:-4],
        encode((named("a"), b"1"), boundary="other"),
        f"--{BOUNDARY}\r\n{named('a')}\r\n--{BOUNDARY}--".encode(),
        encode(("", b"1"), ("Content-Disposition: form-data", b"2")),
    ],
    ids=["empty", "no parts", "cut off", "other boundary", "no end of a head", "no names"],
)
def test_nothing(body: bytes) -> None:
    assert read(KIND, body) == ({}, [])


@pytest.mark.parametrize(
    "end", ["\r\n", "\r\n\r\n", "\r\nX: cut o", f"\r\n{named('b')}\r\n\r\ncut o"]
)
def test_parts_before_an_end_that_is_cut_off(end: str) -> None:
    whole = encode((named("a"), b"1"), (named("f", "f"), b"2"))
    body = whole.removesuffix(b"--\r\n") + end.encode()
    assert read(KIND, body) == ({"a": "1"}, [("f", "f", b"2", None)])


@pytest.mark.parametrize(
    ("charset", "content", "expected"),
    [
        ("", "你", "你"),
        ("", b"\xe9\xff", "éÿ"),
        ("utf-8", b"\xe9", "é"),
        ("GBK", "你".encode("gbk"), "你"),
        ("gbk", b"\xff", "ÿ"),
        ("iso-8859-1", "é", "Ã©"),
        *(
            (name, b"+AGE-", "+AGE-")
            for name in ("utf-7", "no-such", "idna", "hex", "a\0b", "x" * 99)
        ),
    ],
)
def test_charset(charset: str, content: str | bytes, expected: str) -> None:
    """Python has codecs that a stranger must not choose; such text is read as Latin-1."""
    data = content.encode() if isinstance(content, str) else content
    kind = f'{KIND}; charset="{charset}"' if charset else KIND
    assert read(kind, encode((named("a"), data))) == ({"a": expected}, [])
    head = b'Content-Disposition: form-data; name="f"; filename="' + data + b'"'
    body = f"--{BOUNDARY}\r\n".encode() + head + f"\r\n\r\n1\r\n--{BOUNDARY}--\r\n".encode()
    assert read(kind, body) == ({}, [("f", expected, b"1", None)])


def test_no_boundary() -> None:
    assert read("multipart/form-data", encode((named("a"), b"1"), boundary="")) == ({}, [])


def test_other_type() -> None:
    assert read("text/plain", b"a=1") == ({}, [])


@pytest.mark.parametrize(("number", "fields"), [(MAX_PARTS, 1), (MAX_PARTS + 1, 0)])
def test_number_of_parts(number: int, fields: int) -> None:
    assert len(parse_multipart(KIND, encode(*[(named("a"), b"1")] * number))[0]) == fields


@pytest.mark.parametrize(("more", "fields"), [(0, {"a": "1"}), (1, {})])
def test_size_of_a_head(more: int, fields: dict[str, str]) -> None:
    head = named("a") + "\r\nX-Padding: "
    # The line break behind the last of them counts.
    head += "x" * (MAX_HEAD - len("\r\n") - len(head) + more)
    assert read(KIND, encode((head, b"1"))) == (fields, [])


@pytest.mark.parametrize("piece", [";", ";a", ';a="', ';a="\\"', "; " + " " * 50, "\\", '"'])
def test_nasty_head(piece: str) -> None:
    """A head of 1 MiB is not parsed; one within the limit is parsed, and does no harm."""
    head = "Content-Disposition: form-data"
    huge = encode((head + piece * ((1 << 20) // len(piece)), b"1"))
    assert read(KIND, huge) == ({}, [])
    assert read(KIND, encode((head + piece * (8000 // len(piece)), b"1"))) == ({}, [])


LONG = 1 << 20


@pytest.mark.parametrize(
    "content",
    [b"\r", b"\r\n", b"\r\n--", f"\r\n--{BOUNDARY[:-1]}".encode(), b"--", b" "],
    ids=repr,
)
def test_content_that_begins_like_a_boundary(content: bytes) -> None:
    data = content * (LONG // len(content))
    assert read(KIND, encode((named("f", "a"), data))) == ({}, [("f", "a", data, None)])


@pytest.mark.parametrize("end", [" ", "-", "x", "\r", "\r\n"])
def test_lines_that_begin_with_the_boundary(end: str) -> None:
    """The parser would look at each byte of such lines."""
    line = f"\r\n--{BOUNDARY}{end}".encode()
    assert read(KIND, encode((named("f", "a"), line * (LONG // len(line))))) == ({}, [])


@pytest.mark.parametrize("end", [" ", "\t"])
def test_padding_is_limited(end: str) -> None:
    """A boundary may have spaces behind it (RFC 2046, section 5.1.1), not a megabyte of them."""
    body = f"--{BOUNDARY}\r\n{named('a')}\r\n\r\n1\r\n--{BOUNDARY}{end * LONG}\r\n".encode()
    fields, files = read(KIND, body + encode((named("b"), b"2")))
    # To python-multipart before 0.0.33 such a line belongs to the part.
    assert (fields, files) == ({}, []) or len(fields["a"]) > LONG


@pytest.mark.parametrize("head", ["a:{}", "{}:b", "a: b{}", "a: b\r\n{}"])
def test_spaces_in_heads_are_limited(head: str) -> None:
    parts = [(head.format(" " * (MAX_HEAD - 10)), b"")] * MAX_PARTS
    assert read(KIND, encode(*parts)) == ({}, [])


def test_line_breaks_before_the_form_are_limited() -> None:
    form = encode((named("a"), b"1"))
    assert read(KIND, b"\r\n" + form) == ({"a": "1"}, [])
    assert read(KIND, b"\r\n" * MAX_PADDING + form) == ({}, [])


def test_what_follows_the_form_is_not_read() -> None:
    form = encode((named("a"), b"1"))
    assert read(KIND, form + b"x" * LONG + form) == ({"a": "1"}, [])


def test_a_form_of_many_chunks() -> None:
    contents = [bytes([i]) * (MAX_PADDING // 2 + i * 97) for i in range(20)]
    body = encode(*((named("f", str(i)), content) for i, content in enumerate(contents)))
    assert [file[2] for file in read(KIND, body)[1]] == contents


def test_what_strangers_send_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    for body in (b"--x\r\n\x00: 1\r\n", b"nothing of the kind", b"--x\r\na\r\n\r\n--x--x"):
        assert read("multipart/form-data; boundary=x", body) == ({}, [])
    assert caplog.records == []


def test_without_python_multipart_the_log_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "python_multipart", None)
    forms._tell_missing.cache_clear()
    lines: list[str] = []
    sink = nonebot.log.logger.add(lines.append, level="WARNING", format="{message}")
    try:
        for _ in range(2):
            assert read(KIND, encode((named("a"), b"1"))) == ({}, [])
        assert parse_form("application/x-www-form-urlencoded", b"a=1") == ({"a": "1"}, [])
    finally:
        nonebot.log.logger.remove(sink)
    assert len(lines) == 1
    assert "nonebot-aiohttp[multipart]" in lines[0]
