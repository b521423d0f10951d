"""Headers as the contract has them, made of what a transport has received."""

from __future__ import annotations

from multidict import CIMultiDict, MultiMapping

Received = MultiMapping[str] | list[tuple[str, str]]
"""Names and values in the order of the request, as a transport has them."""


def join_headers(received: Received) -> dict[str, str]:
    """Make the contract's header dictionary.

    Args:
        received: Names and values in the order of the request.

    Returns:
        Lowercased names; the values of a repeated one joined in their order by ``", "``
        (RFC 9110, section 5.3), those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
    """
    pairs = received if isinstance(received, list) else received.items()
    joined = {name.lower(): value for name, value in pairs}
    if len(joined) < len(received):
        joined.clear()
        for name, value in pairs:
            name = name.lower()
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
