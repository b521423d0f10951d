"""Bodies of outgoing requests: what NoneBot's ``Request`` has, as aiohttp sends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import aiohttp
from aiohttp.payload import BytesPayload
from nonebot.drivers import Request


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
        data: Any = setup.content
        if not data:
            pairs = list(form_pairs(setup.data or {}))
            data = multipart(pairs, setup.files) if setup.files else aiohttp.FormData(pairs)
        if setup.json is not None:
            raise ValueError("A request cannot have both json and data, content or files")
        return {"data": data}
    return {} if setup.json is None else {"json": setup.json}


def form_pairs(data: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """List the fields of a form.

    Args:
        data: Fields; a list or tuple is a field that occurs again and again.

    Yields:
        Names and values as text.
    """
    for name, value in data.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            yield name, _text(item)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.decode() if isinstance(value, bytes) else str(value)


def multipart(
    pairs: Iterable[tuple[str, str]], files: Iterable[tuple[str, tuple[Any, Any, Any]]]
) -> aiohttp.FormData:
    """Make a multipart form, names in UTF-8 as browsers send them.

    Args:
        pairs: The fields.
        files: Names, and of each file its name, content and type. A file name of None is none.

    Returns:
        The form.
    """
    form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for name, value in pairs:
        form.add_field(name, value)
    for name, (filename, content, kind) in files:
        if filename is None:
            content = BytesPayload(content if isinstance(content, bytes) else content.read())
        form.add_field(name, content, filename=filename, content_type=kind)
    return form
