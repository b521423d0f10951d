"""Puts the page together, and answers a request with it: no script, no form, nothing loaded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from aiohttp import web

from ...log.own import Recent
from ..source import Found, Source
from ..status import Second, Status
from . import counts
from .asked import Asked
from .bots import bots, find
from .elements import Markup, element
from .moments import Moments
from .outages import outages
from .problems import head, problems, title
from .process import process
from .style import CONTENT_SECURITY_POLICY, STYLE
from .texts import Texts, choose_language
from .view import View
from .warned import warned

REFRESH = 10
"""Seconds after which a browser loads the page again, with the same query."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
}


async def page_response(
    source: Source, request: web.Request, warnings: Iterable[Recent]
) -> web.Response:
    """Answer a request with the page.

    Args:
        source: The driver that the page tells of.
        request: The request; its query and ``Accept-Language`` choose what the page shows.
        warnings: The last warnings, the latest last.
    """
    asked = Asked.read(request.query)
    language = choose_language(",".join(request.headers.getall("Accept-Language", ())))
    status = await source.current()
    found, asked = await find(source, asked)
    view = View(Texts(language), Moments(Texts(language), time.time()), asked)
    text = render(view, status, source.history(), found, warnings)
    headers = {**_HEADERS, "Content-Language": language}
    if asked.refreshes:
        headers["Refresh"] = f"{REFRESH}"
    # A surrogate, which only a text from outside may hold, cannot be sent as it is.
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def render(
    view: View,
    status: Status,
    seconds: Sequence[Second],
    found: Found,
    warnings: Iterable[Recent],
) -> str:
    """Make the page, as HTML."""
    problematic = problems(view, status, seconds)
    content = element(
        "main",
        head(view, status, problematic),
        outages(view, status),
        counts.load(view, seconds),
        counts.calls(view, status),
        counts.work(view, status),
        counts.refusals(view, status),
        counts.adapters(view, status),
        process(view, status),
        bots(view, status, found),
        warned(view, warnings),
    )
    return _document(view, title(view, status, problematic), content)


def _document(view: View, title: str, content: Markup) -> str:
    head = (
        element("title", title),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="robots" content="noindex">'),
        # In a style sheet an escaped text would be another one; this one is the package's own.
        Markup(f"<style>{STYLE}</style>"),
    )
    body = element("body", content, _foot(view))
    document = element("html", element("head", *head), body, lang=view.texts.language)
    return f"<!DOCTYPE html>\n{document}\n"


def _foot(view: View) -> Markup:
    texts, asked = view.texts, view.asked
    as_of = texts("As of {when}.", when=view.moments.exact(view.moments.now))
    if asked.refreshes:
        said = texts("This page reloads every {seconds} s.", seconds=REFRESH)
    else:
        said = texts("This page does not reload.")
    change = texts("Stop reloading" if asked.refreshes else "Reload it by itself")
    address = asked.link(page=asked.page, refreshes=not asked.refreshes)
    link = element("a", change, href=address)
    return element("footer", element("p", f"{as_of} {said} ", link), class_="quiet")
