"""Finds names in expressions of PromQL that the metrics do not have. It reads simple ones alone."""

from __future__ import annotations

import re

from nonebot_aiohttp.operations.measures import GROUPS, MEASURES
from nonebot_aiohttp.operations.metrics import PREFIX

_OF_PROMETHEUS = {"job", "instance"}

LABELS = {f"{PREFIX}{each.name}": {"driver", *each.labels} for each in MEASURES} | {
    f"{PREFIX}{each.name}": {"driver", *group.labels} for group in GROUPS for each in group.details
}
"""The labels of each metric."""


def unknown_names(expression: str, legend: str = "") -> set[str]:
    """Return the metrics and labels of an expression, and of its legend, that do not exist."""
    metrics = set(re.findall(rf"\b{PREFIX}\w+", expression))
    labels = set(_OF_PROMETHEUS).union(*(LABELS.get(metric, set()) for metric in metrics))
    used = {
        *re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression),
        *re.findall(r"{{\s*(\w+)\s*}}", legend),
    }
    for grouped in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression):
        used |= set(re.findall(r"\w+", grouped))
    return (metrics - set(LABELS)) | (used - labels)
