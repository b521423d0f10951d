"""Headers as the contract has them, made of what a transport has received."""

from __future__ import annotations

from typing import TypeVar

from multidict import MultiMapping

_Name = TypeVar("_Name", bound="str | bytes")

MOST_NAMES, LONGEST_NAME = 1024, 64
"""Names that are kept, and the characters of the longest: a peer may make up any number."""


class LoweredNames(dict[_Name, str]):
    """Names of headers as they come, to their lowercased form.

    One copy serves all connections, and looking it up takes less time than making it.
    """

    def __missing__(self, name: _Name) -> str:
        text = name if isinstance(name, str) else name.decode("latin-1")
        lowered = text.lower()
        if len(name) <= LONGEST_NAME:
            if len(self) >= MOST_NAMES:
                # Some peer makes names up; those in use come back.
                self.clear()
            self[name] = lowered
        return lowered


_LOWERED: LoweredNames[str] = LoweredNames()


def join_headers(received: MultiMapping[str]) -> dict[str, str]:
    """Make the contract's header dictionary.

    Args:
        received: Names and values in the order of the request.

    Returns:
        Lowercased names; the values of a repeated one joined in their order by ``", "``
        (RFC 9110, section 5.3), those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
    """
    lowered = _LOWERED
    headers = {lowered[name]: value for name, value in received.items()}
    if len(headers) == len(received):
        return headers
    joined: dict[str, str] = {}
    for name, value in received.items():
        name = lowered[name]
        if name in joined:
            separator = "; " if name == "cookie" else ", "
            value = f"{joined[name]}{separator}{value}"
        joined[name] = value
    return joined
