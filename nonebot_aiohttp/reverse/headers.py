"""Headers as the contract has them, made of what a transport has received."""

from __future__ import annotations

from multidict import CIMultiDict, MultiMapping

Received = MultiMapping[str] | list[tuple[str, str]]
"""Names and values in the order of the request, as a transport has them."""

MOST_NAMES, LONGEST_NAME = 1024, 64
"""Names that are kept, and the characters of the longest: a peer may make up any number."""


_lowered: dict[str, str] = {}
# Names as they come, and their lowercased forms: nothing is looked up faster than in a dictionary.


def _lower(name: str) -> str:
    """Lower a name, and remember it unless it is long."""
    lowered = _lowered.get(name)
    if lowered is None:
        lowered = name.lower()
        if len(name) <= LONGEST_NAME:
            if len(_lowered) >= MOST_NAMES:
                # Some peer makes names up; those in use come back.
                _lowered.clear()
            _lowered[name] = lowered
    return lowered


def join_headers(received: Received) -> dict[str, str]:
    """Make the contract's header dictionary.

    Args:
        received: Names and values in the order of the request.

    Returns:
        Lowercased names; the values of a repeated one joined in their order by ``", "``
        (RFC 9110, section 5.3), those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
    """
    pairs = received if isinstance(received, list) else received.items()
    try:
        headers = {_lowered[name]: value for name, value in pairs}
    except KeyError:
        headers = {}
    if len(headers) == len(received):
        return headers
    joined: dict[str, str] = {}
    for name, value in pairs:
        name = _lower(name)
        if name in joined:
            separator = "; " if name == "cookie" else ", "
            value = f"{joined[name]}{separator}{value}"
        joined[name] = value
    return joined


def keep_headers(received: Received) -> MultiMapping[str]:
    """Leave headers as they came, each value for itself.

    Args:
        received: Names and values in the order of the request.

    Returns:
        A mapping that does not tell cases of names apart.
    """
    return CIMultiDict(received) if isinstance(received, list) else received
