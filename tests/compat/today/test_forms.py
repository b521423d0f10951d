"""`nonebot_aiohttp.nonebot2.forms` by itself: what it reads exactly, and where it gives up."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonebot_aiohttp.nonebot2.forms import MAX_HEAD, MAX_PARTS, parse_form, parse_multipart

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
    """Parse a form and read its files."""
    fields, files = parse_form(kind, body)
    return fields, [(name, filename, file.read(), of) for name, (filename, file, of) in files]


@given(PARTS)
def test_round_trip(parts: list[tuple[str, str | None, bytes]]) -> None:
    body = encode(*((named(name, filename), data) for name, filename, data in parts))
    fields = {name: data.decode("utf-8", "replace") for name, file, data in parts if file is None}
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
    # The line break behind the boundary counts.
    head += "x" * (MAX_HEAD - len("\r\n") - len(head) + more)
    assert read(KIND, encode((head, b"1"))) == (fields, [])


@pytest.mark.parametrize("piece", [";", ";a", ';a="', ';a="\\"', "; " + " " * 50, "\\", '"'])
def test_nasty_head(piece: str) -> None:
    """A head of 1 MiB is not looked into; one within the limit is, and harmless."""
    head = "Content-Disposition: form-data"
    huge = encode((head + piece * ((1 << 20) // len(piece)), b"1"))
    assert read(KIND, huge) == ({}, [])
    assert read(KIND, encode((head + piece * (8000 // len(piece)), b"1"))) == ({}, [])
