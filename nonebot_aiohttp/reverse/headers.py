"""Headers as the contract has them, made of what a transport has received."""

from __future__ import annotations

from typing import Generic, TypeVar

from multidict import MultiMapping

_Name = TypeVar("_Name", bound="str | bytes")

MOST_NAMES, LONGEST_NAME = 1024, 64
"""Names that are kept, and the characters of the longest: a peer may make up any number."""


class LoweredNames(Generic[_Name]):
    """Names of headers as they come, and their lowercased forms; one copy serves all connections.

    Attributes:
        known: What was seen before. A plain dictionary, for nothing is looked up faster: take a
            name from it, and ask ``lower`` when it has none.
    """

    def __init__(self) -> None:
        """Begin without names."""
        self.known: dict[_Name, str] = {}

    def lower(self, name: _Name) -> str:
        """Lower a name, and remember it unless it is long.

        Args:
            name: The name as it came.

        Returns:
            Its lowercased form.
        """
        lowered = self.known.get(name)
        if lowered is None:
            text = name if isinstance(name, str) else name.decode("latin-1")
            lowered = text.lower()
            if len(name) <= LONGEST_NAME:
                if len(self.known) >= MOST_NAMES:
                    # Some peer makes names up; those in use come back.
                    self.known.clear()
                self.known[name] = lowered
        return lowered


_NAMES: LoweredNames[str] = LoweredNames()


def join_headers(received: MultiMapping[str]) -> dict[str, str]:
    """Make the contract's header dictionary.

    Args:
        received: Names and values in the order of the request.

    Returns:
        Lowercased names; the values of a repeated one joined in their order by ``", "``
        (RFC 9110, section 5.3), those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
    """
    known = _NAMES.known
    try:
        headers = {known[name]: value for name, value in received.items()}
    except KeyError:
        headers = {}
    if len(headers) == len(received):
        return headers
    joined: dict[str, str] = {}
    for name, value in received.items():
        name = _NAMES.lower(name)
        if name in joined:
            separator = "; " if name == "cookie" else ", "
            value = f"{joined[name]}{separator}{value}"
        joined[name] = value
    return joined
