"""Headers as the contract has them, made of what a transport has received."""

from __future__ import annotations

from multidict import CIMultiDict, MultiMapping

Received = MultiMapping[str] | list[tuple[str, str]]
"""Names and values in the order of the request; the names of a list are lowercased."""


def join_headers(received: Received) -> dict[str, str]:
    """Make the contract's header dictionary.

    Args:
        received: Names and values in the order of the request.

    Returns:
        Lowercased names; the values of a repeated one joined in their order by ``", "``
        (RFC 9110, section 5.3), those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
    """
    if isinstance(received, list):
        pairs = received
    else:
        pairs = [(name.lower(), value) for name, value in received.items()]
    joined = dict(pairs)
    if len(joined) < len(pairs):
        joined.clear()
        for name, value in pairs:
            separator = "; " if name == "cookie" else ", "
            joined[name] = f"{joined[name]}{separator}{value}" if name in joined else value
    return joined


def keep_headers(received: Received) -> MultiMapping[str]:
    """Leave headers as they came, each value for itself.

    Args:
        received: Names and values in the order of the request.

    Returns:
        A mapping that does not tell cases of names apart.
    """
    return CIMultiDict(received) if isinstance(received, list) else received
