"""The rules of a suite: its tests and their cases, which of them apply, and what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

_F = TypeVar("_F", bound=Callable[..., Any])

WITHOUT = {
    "api": "the API is called over the WebSocket, which has no statuses",
    "token": "the platform has no credentials",
}
"""Why a test is left out, by the attribute of the suite that is None."""


@dataclass(frozen=True)
class Known:
    """A test that is known to fail, which is a strict xfail: when it passes the suite fails.

    Attributes:
        reason: What is wrong, and whose it is, in a sentence.
        drivers: Parts of the ``DRIVER`` lines on which it fails; empty is all.
    """

    reason: str
    drivers: tuple[str, ...] = ()

    def applies_to(self, driver: str) -> bool:
        """Tell whether it fails on a driver."""
        return not self.drivers or any(part in driver for part in self.drivers)


def needs(attribute: str) -> Callable[[_F], _F]:
    """Leave a test out where an attribute of the suite is None; `WITHOUT` has the reason."""

    def decorate(test: _F) -> _F:
        test.needs = attribute  # type: ignore[attr-defined]
        return test

    return decorate


def names_of(suite: type) -> list[str]:
    """List the rules of a suite which apply to its adapter.

    Returns:
        ``test_name`` for each test, and ``test_name[case]`` for each case of a test that has some.
    """
    found = []
    for name in dir(suite):
        test = getattr(suite, name)
        if name.startswith("test_") and not _is_left_out(suite, test):
            cases = getattr(test, "cases", None)
            found += [name] if cases is None else [f"{name}[{case}]" for case in cases]
    return found


def check_filled_in(suite: type) -> None:
    """Refuse tests that lack something: pytest would leave an abstract class out without a word.

    Raises:
        TypeError: A class whose name begins with ``Test`` has abstract methods, or no path.
    """
    if not suite.__name__.startswith("Test"):
        return
    attributes = {name: getattr(suite, name, None) for name in dir(suite)}
    lacks = [
        name for name, value in attributes.items() if getattr(value, "__isabstractmethod__", False)
    ]
    lacks += ["path"] if attributes.get("path") == "" else []
    if lacks:
        raise TypeError(
            f"{suite.__name__} lacks {', '.join(lacks)}: fill that in, or give what others derive"
            " from a name without Test"
        )


def check_known(suite: type, known: Mapping[str, Known]) -> None:
    """Fail the collection of a suite that knows of tests which it does not have."""
    names = set(names_of(suite))
    wrong = known.keys() - names - {name.partition("[")[0] for name in names}
    if wrong:
        pytest.fail(
            f"{suite.__name__}.known has {', '.join(sorted(wrong))}, which it does not test",
            pytrace=False,
        )


def marks_of(
    suite: type, known: Mapping[str, Known], test: Callable[..., Any], case: str | None, driver: str
) -> list[pytest.MarkDecorator]:
    """Return the marks of a test: whether it is left out, and whether it is known to fail."""
    if _is_left_out(suite, test):
        return [pytest.mark.skip(reason=WITHOUT[test.needs])]  # type: ignore[attr-defined]
    names = (test.__name__, f"{test.__name__}[{case}]")
    return [
        pytest.mark.xfail(strict=True, reason=each.reason)
        for name, each in known.items()
        if name in names and each.applies_to(driver)
    ]


def _is_left_out(suite: type, test: object) -> bool:
    attribute = getattr(test, "needs", None)
    return attribute is not None and getattr(suite, attribute) is None
