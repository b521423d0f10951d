"""The bodies of requests and their types, byte for byte as NoneBot's `~httpx` sends them."""

import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nonebot.drivers import Request

from ..support.recorder import Recorder, parse_multipart

pytestmark = pytest.mark.stock_is_wrong("aiohttp", "aiohttp makes types up")

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


async def sent(driver: Any, recorder: Recorder, method: str = "POST", **body: Any) -> Any:
    """Send a body, and return what has arrived of it: its bytes and its types."""
    await driver.request(Request(method, recorder.url(), **body))
    return recorder.last.body, recorder.last.header("content-type")


@pytest.mark.stock_is_wrong("httpx", "before 0.28 it sent ASCII and spaces", before="2.5")
@pytest.mark.parametrize(
    ("value", "body"),
    [({"a": "你", "b": [1, None]}, '{"a":"你","b":[1,null]}'), ({}, "{}"), (0, "0"), ("", '""')],
)
async def test_json_is_compact_and_utf_8(
    driver: Any, recorder: Recorder, value: Any, body: str
) -> None:
    assert await sent(driver, recorder, json=value) == (body.encode(), [JSON])


@pytest.mark.stock_is_wrong("httpx", "it fails")
async def test_half_a_surrogate_pair_in_json_is_escaped(driver: Any, recorder: Recorder) -> None:
    value = {"a": "\ud83d你"}
    assert await sent(driver, recorder, json=value) == ('{"a":"\\ud83d你"}'.encode(), [JSON])


@pytest.mark.stock_is_wrong("httpx", "before 0.28 it sent NaN", before="2.5")
async def test_a_number_that_json_cannot_hold_is_an_error(driver: Any, recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="JSON"):
        await sent(driver, recorder, json={"a": float("nan")})
    assert recorder.seen == []


@pytest.mark.parametrize(
    ("given", "body", "kinds"),
    [
        ({"content": "c", "data": {"d": "1"}, "json": 1}, b"c", []),
        ({"data": {"d": "1"}, "json": 1}, b"d=1", [FORM]),
        ({"data": {}, "json": 1}, b"1", [JSON]),
        ({"content": None, "files": {}, "data": None, "json": 1}, b"1", [JSON]),
        ({"data": {}}, b"", []),
        ({"content": ""}, b"", []),
    ],
)
async def test_the_first_body_that_is_there(
    driver: Any, recorder: Recorder, given: Any, body: bytes, kinds: list[str]
) -> None:
    assert await sent(driver, recorder, **given) == (body, kinds)


@pytest.mark.stock_is_wrong("httpx", "empty content of its counts")
@pytest.mark.parametrize("content", ["", b""])
async def test_empty_content_does_not_count(
    driver: Any, recorder: Recorder, content: str | bytes
) -> None:
    assert await sent(driver, recorder, content=content, data={"d": 1}) == (b"d=1", [FORM])
    assert await sent(driver, recorder, content=content, json=1) == (b"1", [JSON])


async def test_files_before_json(driver: Any, recorder: Recorder) -> None:
    await sent(driver, recorder, files={"f": ("f", b"1")}, data={"d": "1"}, json=1)
    assert [(part.name, part.data) for part in parse_multipart(recorder.last)] == [
        ("d", b"1"),
        ("f", b"1"),
    ]


@pytest.mark.parametrize("content", ["你", b"\xff"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
async def test_no_type_is_made_up_for_content(
    driver: Any, recorder: Recorder, method: str, content: str | bytes
) -> None:
    body = content.encode() if isinstance(content, str) else content
    assert await sent(driver, recorder, method, content=content) == (body, [])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"])
async def test_no_type_is_made_up_for_no_body(driver: Any, recorder: Recorder, method: str) -> None:
    assert await sent(driver, recorder, method) == (b"", [])
    if method in ("POST", "PUT", "PATCH"):
        assert recorder.last.header("content-length") == ["0"]


async def test_no_type_is_made_up_in_sessions(driver: Any, recorder: Recorder) -> None:
    async with driver.get_session() as session:
        await session.request(Request("PUT", recorder.url(), content=b"1"))
    assert recorder.last.header("content-type") == []


async def test_the_type_of_the_caller_stays(driver: Any, recorder: Recorder) -> None:
    for body in ({"content": b"1"}, {"json": 1}, {"data": {"d": "1"}}, {}):
        kind = {"Content-Type": "text/x-mine"}
        assert (await sent(driver, recorder, headers=kind, **body))[1] == ["text/x-mine"]


async def test_the_type_of_a_file_is_told_by_its_name(driver: Any, recorder: Recorder) -> None:
    files: Any = {
        "by name": ("图.png", b"1"),
        "unknown": ("a.no-such", b"2"),
        "bare": b"3",
        "said": ("a.png", b"4", "image/x-mine"),
        "none": ("a.jpeg", b"5", None),
    }
    await sent(driver, recorder, files=files)
    assert {part.name: part.content_type for part in parse_multipart(recorder.last)} == {
        "by name": "image/png",
        "unknown": "application/octet-stream",
        "bare": "application/octet-stream",
        "said": "image/x-mine",
        "none": "image/jpeg",
    }


async def test_fields_of_a_form_have_no_type(driver: Any, recorder: Recorder) -> None:
    data: Any = {"text": "你", "number": 1, "none": None, "true": True, "list": ["a", "b"]}
    files: Any = {"f": (None, "x", None), "g": (None, b"y"), "h": ("", b"z"), "i": ("i", b"i")}
    await sent(driver, recorder, data=data, files=files)
    parts = parse_multipart(recorder.last)
    assert [(p.name, p.filename, p.content_type, p.data) for p in parts[:-1]] == [
        ("text", None, None, "你".encode()),
        ("number", None, None, b"1"),
        ("none", None, None, b""),
        ("true", None, None, b"true"),
        ("list", None, None, b"a"),
        ("list", None, None, b"b"),
        ("f", None, None, b"x"),
        ("g", None, None, b"y"),
        ("h", None, None, b"z"),
    ]


async def test_the_bytes_of_a_form(driver: Any, recorder: Recorder) -> None:
    files: Any = {'n"\\': ('a"b\\c\r\nX: y.png', b"1")}
    body, kinds = await sent(driver, recorder, data={"d": "2"}, files=files)
    boundary = kinds[0].removeprefix("multipart/form-data; boundary=")
    assert body.decode().replace(boundary, "-") == (
        '---\r\nContent-Disposition: form-data; name="d"\r\n\r\n2\r\n'
        '---\r\nContent-Disposition: form-data; name="n%22\\\\"; '
        'filename="a%22b\\\\c%0D%0AX: y.png"\r\nContent-Type: image/png\r\n\r\n1\r\n'
        "-----\r\n"
    )


async def test_a_file_is_sent_from_its_beginning(
    driver: Any, recorder: Recorder, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"on disk")
    with path.open("rb") as on_disk, tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(b"spooled")
        on_disk.read(3)
        await sent(driver, recorder, files={"a": on_disk, "b": ("b", spooled)})
    assert [part.data for part in parse_multipart(recorder.last)] == [b"on disk", b"spooled"]


async def test_a_file_in_memory_is_sent_again(driver: Any, recorder: Recorder) -> None:
    memory = io.BytesIO(b"memory")
    for _ in range(2):
        memory.read(3)
        await sent(driver, recorder, files={"a": memory})
        assert [part.data for part in parse_multipart(recorder.last)] == [b"memory"]


@pytest.mark.parametrize("buffering", [-1, 0])
async def test_a_file_stays_open(
    driver: Any, recorder: Recorder, tmp_path: Path, buffering: int
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"on disk")
    with path.open("rb", buffering) as file:
        request = Request("POST", recorder.url(), files={"f": ("a.txt", file)})
        for _ in range(2):
            await driver.request(request)
            assert [part.data for part in parse_multipart(recorder.last)] == [b"on disk"]
            assert recorder.last.header("content-length") == [str(len(recorder.last.body))]
        assert not file.closed


async def test_a_file_is_sent_on_where_a_redirect_leads(
    driver: Any, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.respond("/from", ("Location", "/to"), status=307)
    path = tmp_path / "a.txt"
    path.write_bytes(b"on disk")
    with path.open("rb") as file:
        await driver.request(Request("POST", recorder.url("/from"), files={"f": file}))
    assert [seen.path for seen in recorder.seen] == ["/from", "/to"]
    assert [part.data for part in parse_multipart(recorder.last)] == [b"on disk"]


@pytest.mark.stock_is_wrong("httpx", "it takes no files there")
@pytest.mark.parametrize("where", ["content", "data"])
async def test_a_file_for_a_body_stays_open(
    driver: Any, recorder: Recorder, tmp_path: Path, where: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"on disk")
    with path.open("rb") as file:
        for _ in range(2):
            given: Any = {where: file}
            assert await sent(driver, recorder, **given) == (b"on disk", [])
            assert recorder.last.header("content-disposition") == []


@pytest.mark.parametrize("boundary", ["own", '"own"', '"own"; charset=utf-8'])
@pytest.mark.parametrize("of_session", [False, True])
async def test_the_boundary_of_the_caller(
    driver: Any, recorder: Recorder, boundary: str, of_session: bool
) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    own, shared = (None, headers) if of_session else (headers, None)
    files: Any = {"f": ("a.txt", b"1")}
    async with driver.get_session(headers=shared) as session:
        await session.request(Request("POST", recorder.url(), headers=own, files=files))
    assert recorder.last.header("content-type") == [headers["Content-Type"]]
    assert recorder.last.body == (
        b'--own\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n1\r\n--own--\r\n"
    )


@pytest.mark.stock_is_wrong("httpx", "it sends them as they are")
async def test_control_characters_in_the_name_of_a_file(driver: Any, recorder: Recorder) -> None:
    await sent(driver, recorder, files={"f": ("a\x00\t\x1b\x1f\x7f.png", b"1")})
    assert [part.filename for part in parse_multipart(recorder.last)] == ["a%00%09%1B%1F%7F.png"]


@pytest.mark.stock_is_wrong("httpx", "it raises what comes, after it has connected")
@pytest.mark.parametrize(
    "file", [("a", 5), ("a", None), 5, ("a",), ("a", b"1", None, {}, 5)], ids=str
)
async def test_an_invalid_file_is_an_error(driver: Any, recorder: Recorder, file: Any) -> None:
    with pytest.raises(TypeError, match="'the field'"):
        await sent(driver, recorder, files={"the field": file})
    assert recorder.seen == []


@pytest.mark.parametrize(
    ("extra", "headers"),
    [
        ({"X-Own": "1"}, "X-Own: 1\r\nContent-Type: image/png\r\n"),
        ({"content-type": "text/x-own"}, "content-type: text/x-own\r\n"),
        ({}, "Content-Type: image/png\r\n"),
    ],
)
async def test_headers_of_a_file(
    driver: Any, recorder: Recorder, extra: dict[str, str], headers: str
) -> None:
    files: Any = {"f": ("a.png", b"1", None, extra)}
    body, _ = await sent(driver, recorder, files=files)
    disposition = 'Content-Disposition: form-data; name="f"; filename="a.png"\r\n'
    assert f"{disposition}{headers}\r\n1\r\n" in body.decode()


class Pipe:
    """A file without `seek`, of a class that is not in `io`."""

    def read(self, size: int = -1) -> bytes:
        return b"piped"


async def lines() -> AsyncIterator[bytes]:
    yield b"line\n"


@pytest.mark.stock_is_wrong("httpx", "it reads a pipe for ever, and no asynchronous file")
async def test_files_of_other_kinds(driver: Any, recorder: Recorder) -> None:
    await sent(driver, recorder, files={"a": ("a", Pipe()), "b": ("b", lines())})
    assert [part.data for part in parse_multipart(recorder.last)] == [b"piped", b"line\n"]


@pytest.mark.stock_is_wrong("httpx", "it warns, and takes no others")
@pytest.mark.parametrize(
    "data", ["x", b"x", bytearray(b"x"), memoryview(b"x")], ids=lambda data: type(data).__name__
)
async def test_no_type_is_made_up_for_raw_data(driver: Any, recorder: Recorder, data: Any) -> None:
    assert await sent(driver, recorder, data=data) == (b"x", [])


@pytest.mark.stock_is_wrong("httpx", "it sends the file's repr")
async def test_a_file_among_the_fields(driver: Any, recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "图.png"
    path.write_bytes(b"1")
    with path.open("rb") as opened:
        await sent(driver, recorder, data={"f": opened, "g": io.BytesIO(b"2")})
    assert [(p.filename, p.content_type) for p in parse_multipart(recorder.last)] == [
        ("图.png", "image/png"),
        ("g", "application/octet-stream"),
    ]


@pytest.mark.stock_is_wrong("httpx", "it sends the text, and drops the files")
@pytest.mark.parametrize("data", ["text", b"bytes"])
async def test_no_fields_beside_files(driver: Any, recorder: Recorder, data: Any) -> None:
    with pytest.raises(TypeError, match="mapping or pairs"):
        await sent(driver, recorder, data=data, files={"f": ("f", b"1")})
