"""Bodies of outgoing requests: what NoneBot's ``Request`` has, as aiohttp sends it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.payload import BytesPayload
from nonebot.drivers import Request

URLENCODED = "application/x-www-form-urlencoded"
OCTETS = "application/octet-stream"

FormValue = str | bytes | io.IOBase


def body_arguments(setup: Request) -> dict[str, Any]:
    """Make the arguments of ``ClientSession.request`` for a body.

    Args:
        setup: The request: its content wins over its data and files; json goes alone.

    Returns:
        Keyword arguments, none for a request without a body.

    Raises:
        ValueError: The request has both data and json.
    """
    if setup.content or setup.files or setup.data is not None:
        data = setup.content or _form(setup)
        if setup.json is not None:
            raise ValueError("A request cannot have both json and data, content or files")
        return {"data": data}
    return {} if setup.json is None else {"json": setup.json}


def _form(setup: Request) -> Any:
    data: Any = {} if setup.data is None else setup.data
    if not isinstance(data, Mapping):
        # Text, bytes, pairs, an aiohttp.FormData: what aiohttp takes needs no help.
        return multipart(data, (), setup.files) if setup.files else data
    pairs = list(form_pairs(data))
    if setup.files or any(isinstance(value, io.IOBase) for _, value in pairs):
        return multipart((), pairs, setup.files or ())
    # Not aiohttp.FormData, which makes a file of bytes.
    return BytesPayload(urlencode(pairs).encode(), content_type=URLENCODED)


def form_pairs(data: Mapping[str, Any]) -> Iterable[tuple[str, FormValue]]:
    """List the fields of a form.

    Args:
        data: Fields; a list or tuple is a field that occurs again and again.

    Yields:
        Names and values: bytes and files as they are, all else as text.
    """
    for name, value in data.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            yield name, item if isinstance(item, (bytes, io.IOBase)) else _text(item)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def multipart(
    fields: Any,
    pairs: Iterable[tuple[str, FormValue]],
    files: Iterable[tuple[str, tuple[Any, Any, Any]]],
) -> aiohttp.FormData:
    """Make a multipart form, names in UTF-8 as browsers send them.

    Args:
        fields: Fields as ``aiohttp.FormData`` takes them.
        pairs: More fields; open files among them are uploaded.
        files: Names, and of each file its name, content and type. A file name of None is none.

    Returns:
        The form.

    Raises:
        TypeError: ``aiohttp.FormData`` does not take the fields.
    """
    form = aiohttp.FormData(fields, quote_fields=False)
    for name, value in pairs:
        form.add_field(name, BytesPayload(value) if isinstance(value, bytes) else value)
    for name, (filename, content, kind) in files:
        if filename is None:
            part = nameless(content, kind)
            # The type makes the form multipart, as a file name does.
            form.add_field(name, part, content_type=part.content_type)
        else:
            form.add_field(name, content, filename=filename, content_type=kind)
    return form


def nameless(content: Any, kind: str | None) -> BytesPayload:
    """Make a part without a file name, which aiohttp would make up.

    Args:
        content: Bytes, text, or a file to read.
        kind: Its type; None is bytes of any kind.

    Returns:
        The part.
    """
    data = content if isinstance(content, (bytes, str)) else content.read()
    value = data.encode() if isinstance(data, str) else data
    return BytesPayload(value, content_type=kind or OCTETS)
