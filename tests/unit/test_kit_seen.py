"""Tests of requests taken apart: forms, and the files in them byte for byte."""

from __future__ import annotations

import pytest

from nonebot_aiohttp.testing.platforms.seen import Call

BOUNDARY = "--a+b.c"


def _call(body: bytes, content_type: str, query: dict[str, str] | None = None) -> Call:
    return Call("POST", "h", "/x", query or {}, {"content-type": content_type}, body, 1)


def _multipart(*parts: tuple[str, bytes]) -> Call:
    body = b"".join(
        f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts
    )
    return _call(
        body + f"--{BOUNDARY}--\r\n".encode(), f'multipart/form-data; boundary="{BOUNDARY}"'
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n--",
        b"a\r\n--" + BOUNDARY.encode() + b"x\r\nb",
        b"--" + BOUNDARY.encode() + b"--",
        bytes(range(256)),
    ],
)
def test_a_file_is_what_was_sent_byte_for_byte(data: bytes) -> None:
    call = _multipart(
        ('Content-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: image/png', data),
        ('Content-Disposition: form-data; name="after"', b"1"),
    )
    upload = call.file("f")
    assert upload.data == data
    assert upload.content_type == "image/png"
    assert call.form == {"after": "1"}


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('filename="报 a;b.png"', "报 a;b.png"),
        (r'filename="a\"b\\c"', r'a"b\c'),
        ('filename="%E6%8A%A5.png"', "%E6%8A%A5.png"),
        ("filename=plain.txt", "plain.txt"),
        ("filename*=UTF-8''%E6%8A%A5.png", "报.png"),
        ('filename=""', ""),
    ],
)
def test_names_of_files_stay_as_they_were_sent(disposition: str, name: str) -> None:
    call = _multipart((f'Content-Disposition: form-data; name="f"; {disposition}', b"1"))
    assert call.file("f").filename == name
    assert call.file("f").content_type is None


def test_several_files_of_one_field_are_all_there() -> None:
    head = 'Content-Disposition: form-data; name="media"; filename="{}"'
    call = _multipart((head.format("a"), b"1"), (head.format("b"), b"2"))
    assert [(each.field, each.filename, each.data) for each in call.files] == [
        ("media", "a", b"1"),
        ("media", "b", b"2"),
    ]
    with pytest.raises(
        LookupError, match=r"/x has 2 files 'media'; it has 'media' \(a\), 'media' \(b\)"
    ):
        call.file("media")
    with pytest.raises(LookupError, match="0 files 'photo'"):
        call.file("photo")


def test_parameters_are_what_a_call_says_however_it_says_it() -> None:
    query = {"a": "1"}
    assert _call(b'{"b": 2}', "application/json", query).parameters == {"a": "1", "b": 2}
    form = _call(b"b=2&c=", "application/x-www-form-urlencoded", query)
    assert form.parameters == {"a": "1", "b": "2", "c": ""}
    assert _call(b"[1]", "application/json", query).parameters == {"a": "1"}
    assert _call(b"", "", query).parameters == {"a": "1"}


def test_a_body_without_a_boundary_is_no_form() -> None:
    assert _call(b"x", "multipart/form-data").files == []
    assert _call(b"x", "text/plain").form == {}
