"""``Problems``: what has gone wrong while a platform served, for the end of the test."""

from __future__ import annotations

import traceback

from ..common.timeline import PLATFORM, timeline


class UnexpectedRequests(AssertionError):
    """The bot has sent requests that no route was for, or wanted to reach a stranger's host."""


class UnusedReplies(AssertionError):
    """Replies that no request has asked for, or faults that have struck nothing."""


class FunctionFailed(AssertionError):
    """A function of the test, which answers or greets, has failed; its error is the cause."""


class Problems:
    """What nobody has expected, and the errors of a test's own functions.

    Attributes:
        complaints: What the bot has done that nobody expected.
        errors: The errors of functions that answer or greet, with whose they are.
    """

    def __init__(self) -> None:
        """Begin without a problem."""
        self.complaints: list[str] = []
        self.errors: list[tuple[str, Exception]] = []

    def unexpected(self, text: str) -> None:
        """Write down what the bot has done that nobody expected."""
        self.complaints.append(text)
        timeline.note(PLATFORM, text)

    def failed(self, what: str, error: Exception) -> None:
        """Write down that a function of the test has failed."""
        self.errors.append((what, error))
        timeline.note(PLATFORM, f"{what} has failed: {error!r}")

    @property
    def tracebacks(self) -> list[str]:
        """What has failed, each with the traceback of its error."""
        return [
            f"{what} has failed:\n{''.join(traceback.format_exception(error))}"
            for what, error in self.errors
        ]
