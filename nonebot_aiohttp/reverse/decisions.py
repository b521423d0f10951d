"""What an adapter's ``check_permission`` may return, checked before anything starts because of it.

Otherwise a text of two characters would be an id and a response, and a platform would get a 500 for
an event that is handled already, and send it again.
"""

from __future__ import annotations

from typing import Any

from ..drivers import HTTPResponse
from ..log.redaction import loggable_reason
from ..registration import class_name

_FIELDS = ("status", "body", "headers")

_LONGEST_VALUE = 60
_LARGEST_SHOWN = 10**20
_MOST_ITEMS = 4


class WrongDecision(Exception):
    """An adapter's ``check_permission`` has returned what it must not; the text says what."""

    def __init__(self, adapter: type, decision: Any) -> None:
        """Describe the decision in one line, without secrets."""
        name, shown = class_name(adapter), _shown(decision)
        text = "{}.check_permission must return (id or None, HTTPResponse or None), not {}"
        hint = "; an id is text" if _has_wrong_id(decision) else ""
        super().__init__(text.format(name, shown) + hint)


def is_decision(decision: Any) -> bool:
    """Tell whether it is an id or None, and a response or None.

    The response may be another framework's: what is read of it must be there.
    """
    if not isinstance(decision, tuple) or len(decision) != 2:
        return False
    self_id, response = decision
    if self_id is not None and not isinstance(self_id, str):
        return False
    return response is None or isinstance(response, HTTPResponse) or _is_response(response)


def _is_response(response: Any) -> bool:
    # A class that makes responses has these attributes, too.
    return not isinstance(response, type) and all(hasattr(response, each) for each in _FIELDS)


def _has_wrong_id(decision: Any) -> bool:
    is_pair = isinstance(decision, tuple) and len(decision) == 2
    return is_pair and decision[0] is not None and not isinstance(decision[0], str)


def _shown(value: Any) -> str:
    """Describe a value, and those in it if it holds some; of others only the class is named."""
    if not isinstance(value, (tuple, list)):
        return _shown_one(value)
    items = [_shown_one(each) for each in value[:_MOST_ITEMS]]
    items += ["..."] if len(value) > _MOST_ITEMS else []
    text = ", ".join(items)
    if isinstance(value, list):
        return f"[{text}]"
    return f"({text},)" if len(items) == 1 else f"({text})"


def _shown_one(value: Any) -> str:
    if value is None or (isinstance(value, int) and abs(value) < _LARGEST_SHOWN):
        return repr(value)
    if not isinstance(value, (str, bytes)):
        return type(value).__name__
    # It is cut twice: a text may be long, and its repr several times as long.
    text = loggable_reason(repr(value[: 4 * _LONGEST_VALUE]))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
