"""The header mapping of each face, made of what a transport has received."""

from __future__ import annotations

from multidict import CIMultiDict, MultiMapping

Received = MultiMapping[str] | list[tuple[str, str]]
"""Names and values in the order of the request; the names of a list are lowercased."""


def join_headers(received: Received) -> dict[str, str]:
    """Make the contract's headers: a dictionary with lowercased names.

    The values of a repeated name are joined in their order by ``", "`` (RFC 9110, section 5.3),
    those of ``cookie`` by ``"; "`` (RFC 9113, section 8.2.3).
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
    """Keep each value for itself, in a mapping that ignores the case of names."""
    return CIMultiDict(received) if isinstance(received, list) else received
