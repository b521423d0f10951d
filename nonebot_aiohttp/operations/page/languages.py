"""Chooses the language of the page by ``Accept-Language`` (RFC 9110, section 12.5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

ENGLISH, CHINESE = "en", "zh-CN"
"""The languages that there are, as HTML names them."""

_BY_PREFIX = {"en": ENGLISH, "zh": CHINESE, "*": ENGLISH}

_RANGE = re.compile(
    r"\s*(?P<tag>\*|[a-z]{1,8}(?:-[a-z\d]{1,8})*)\s*"
    r"(?:;\s*q\s*=\s*(?P<weight>0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.ASCII | re.IGNORECASE,
)


def choose_language(accepted: str) -> str:
    """Return the language that is liked best; of equal ones the first, and English without any.

    All Chinese ones, such as zh-TW, mean the one that there is. What is malformed is ignored.
    """
    weights: dict[str, float] = {}
    for language, weight in _ranges(accepted):
        weights[language] = max(weight, weights.get(language, 0.0))
    best = max(weights, key=weights.__getitem__, default=ENGLISH)
    return best if weights.get(best) else ENGLISH


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    for each in accepted.split(","):
        found = _RANGE.fullmatch(each)
        if found and (language := _BY_PREFIX.get(found["tag"].partition("-")[0].lower())):
            yield language, float(found["weight"] or 1)
