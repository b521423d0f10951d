"""The parts of the page that count: seconds as plots, calls, work, refusals, adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..status import UNKNOWN, CallStatus, Second, Status, WorkStatus
from .elements import Markup, element
from .plots import plot
from .view import View, given, item, items

_MANY = 0.1
# The share of a host's calls from which their failures are marked.


def load(view: View, seconds: Sequence[Second]) -> Markup:
    """Show what happened in the last five minutes."""
    texts = view.texts
    plots = (
        plot(texts, texts("Webhooks"), [each.webhooks for each in seconds]),
        plot(texts, texts("Messages in"), [each.received for each in seconds]),
        plot(texts, texts("Messages out"), [each.sent for each in seconds]),
        plot(texts, texts("API calls"), [each.calls for each in seconds]),
        plot(texts, texts("Failures"), [each.failures for each in seconds], is_bad=True),
    )
    note = view.note(texts("The last five minutes, for each second"))
    return view.section("load", texts("Load"), note, element("div", *plots, class_="plots"))


def calls(view: View, status: Status) -> Markup:
    """Show the calls of each host, those with most failures first."""
    texts = view.texts
    ordered = sorted(status.calls, key=_failures, reverse=True)
    shown = items(*(_call(view, each) for each in ordered))
    none = element("p", texts("No calls have been made."))
    return view.section("calls", texts("API calls, since the start"), shown or none)


def _failures(call: CallStatus) -> int:
    return call.refused + call.failed + call.errors


def _call(view: View, call: CallStatus) -> Markup:
    texts, failures = view.texts, _failures(call)
    counted = {
        "4xx: {count}": call.refused,
        "5xx: {count}": call.failed,
        "no answer: {count}": call.errors,
    }
    kinds = [texts(text, count=f"{count:,}") for text, count in counted.items() if count]
    failed = f"{texts('failed: {count}', count=f'{failures:,}')} ({', '.join(kinds)})"
    ok = texts("ok: {count}", count=f"{call.ok:,}")
    host = texts("other") if call.host == "other" else call.host
    is_bad = failures > _MANY * (call.ok + failures)
    return item(given(host), failed if failures else "", ok, is_down=is_bad)


def work(view: View, status: Status) -> Markup:
    """Show the tasks of each kind."""
    shown = items(*(_work(view, each) for each in status.work))
    return view.section("work", view.texts("Work, since the start"), shown)


def _work(view: View, each: WorkStatus) -> Markup:
    texts = view.texts
    said = [texts("in flight: {count}", count=f"{each.in_flight:,}")]
    if each.failed is not None:
        said.append(texts("failed: {count}", count=f"{each.failed:,}"))
    said.append(texts("cut off: {count}", count=f"{each.cut_off:,}"))
    is_bad = bool(each.failed or each.cut_off)
    return item(texts(each.kind), " · ".join(said), is_down=is_bad)


def refusals(view: View, status: Status) -> Markup:
    """Show how many requests were refused for each reason, the most frequent first."""
    ordered = sorted(status.refused.items(), key=lambda each: each[1], reverse=True)
    shown = items(*(_refusal(view, reason, count) for reason, count in ordered))
    none = element("p", view.texts("Nothing has been refused."))
    heading = view.texts("Refused, since the start")
    return view.section("refused", heading, shown or none)


def _refusal(view: View, reason: str, count: int) -> Markup:
    if reason == "other":
        return item(given(f"{view.texts('other')}: {count:,}"))
    return element(
        "li", element("b", f"{count:,}"), " ", element("span", given(reason, 300), lang="en")
    )


def adapters(view: View, status: Status) -> Markup:
    """Show the webhooks and messages of each adapter."""
    texts = view.texts
    said: dict[str, list[str]] = {}
    for webhooks in status.webhooks:
        text = texts("webhooks: {counts}", counts=_counts(webhooks.answered))
        said.setdefault(webhooks.adapter, []).append(text)
    for each in status.messages:
        values = {"received": f"{each.received:,}", "sent": f"{each.sent:,}"}
        text = texts("messages: {received} in, {sent} out", **values)
        said.setdefault(each.adapter, []).append(text)
    names = {UNKNOWN: texts("an unknown adapter")}
    shown = items(*(item(given(names.get(name, name)), *lines) for name, lines in said.items()))
    none = element("p", texts("Neither webhooks nor messages have come in."))
    heading = texts("Adapters, since the start")
    return view.section("adapters", heading, shown or none)


def _counts(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "0"
