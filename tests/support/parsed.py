"""The operators' page as a browser reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from nonebot_aiohttp.operations.page import page_response
from nonebot_aiohttp.operations.page.asked import Asked
from nonebot_aiohttp.operations.page.bots import find
from nonebot_aiohttp.operations.page.moments import Moments
from nonebot_aiohttp.operations.page.response import render
from nonebot_aiohttp.operations.page.texts import Texts
from nonebot_aiohttp.operations.page.view import View
from tests.support.sources import NOW, FakeSource, Warned


class Parsed(HTMLParser):
    """A page as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if data.strip() and self.tags[-1][0] != "style":
            self.text += f"{data}\n"

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """List the attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]


def rendered(source: FakeSource, warnings: Sequence[Warned], asked: Asked, texts: Texts) -> str:
    """Make the page of a source, as HTML."""
    found, asked = asyncio.run(find(source, asked))
    view = View(texts, Moments(texts, NOW), asked)
    return render(view, source.status(bots=False), source.history(), found, warnings)


def shown(
    source: FakeSource,
    asked: Asked | None = None,
    warnings: Sequence[Warned] = (),
    texts: Texts | None = None,
) -> Parsed:
    """Make the page of a source, and read it."""
    return Parsed(rendered(source, warnings, asked or Asked(), texts or Texts()))


def answer(
    source: FakeSource | None = None, headers: Mapping[str, str] | None = None, **query: str
) -> web.Response:
    """Answer a request for the page."""
    request = make_mocked_request("GET", f"/?{urlencode(query)}", headers)
    return asyncio.run(page_response(source or FakeSource(), request, []))
