"""How the log names bots, connections, peers and times: one grammar for all lines.

- A bot is ``bot 1 of my``: its id, and the name of its adapter.
- Its connection is a ``reverse WebSocket``, a ``forward WebSocket`` or a ``polling``:
  ``Bot 1 of my connected (reverse WebSocket)``, ``The forward WebSocket of bot 1 of my failed``.
- A request is ``a webhook of my`` or ``a WebSocket of my``.
- A peer is the address of the connection. Behind a proxy that is the proxy's.

The same three, adapter, bot and peer, are extra fields of each record that is about one of them.
"""

from __future__ import annotations

import re
from typing import Any

from .redaction import loggable, loggable_reason

FIELDS = ("adapter", "bot", "peer")
"""The names of the extra fields."""

_LONGEST = 64

_PLAIN = re.compile(rf"[\w.-]{{1,{_LONGEST}}}", re.ASCII)
# Most names are so. ``loggable`` would not change them, and takes twenty times as long.


def bot_name(self_id: Any, adapter: Any) -> str:
    """Name a bot; a peer can have made up its id, and a setup may have a URL for the adapter."""
    return f"bot {shown(self_id)} of {shown(adapter)}"


def connected_text(self_id: Any, adapter: str, way: str) -> str:
    """Say that a bot has connected; ``way`` is such as ``"reverse WebSocket"``."""
    return f"B{bot_name(self_id, adapter)[1:]} connected ({way})"


def disconnected_text(
    self_id: Any, adapter: str, way: str, code: int | None = None, reason: str = ""
) -> str:
    """Say that a bot has disconnected, with the close code and the reason if there are any."""
    parts = [way] if code is None else [way, str(code)]
    why = loggable_reason(reason)
    how = ", ".join(parts) + (f": {why}" if why else "")
    return f"B{bot_name(self_id, adapter)[1:]} disconnected ({how})"


def peer_name(address: Any) -> str:
    """Name a peer by the address of its connection: empty for a Unix socket, None if unknown."""
    if address is None:
        return "an unknown peer"
    return shown(address) or "a Unix socket"


def about(adapter: Any = None, bot: Any = None, peer: Any = None) -> dict[str, str]:
    """Make the extra fields of a record, by which sinks can be asked: ``**about("my", "1")``.

    They show what the text of the record shows. A record that is about nobody has none.

    Args:
        adapter: The adapter's name; empty or None if it is unknown.
        bot: The bot's id; empty or None if it is unknown.
        peer: The address of the connection, as for ``peer_name``; None if it is unknown.
    """
    fields = {}
    if adapter:
        fields["adapter"] = shown(adapter)
    if bot:
        fields["bot"] = shown(bot)
    if peer is not None:
        fields["peer"] = peer_name(peer)
    return fields


def shown(name: Any) -> str:
    """Return what may be shown of an id, an adapter's name or an address."""
    text = str(name)
    return text if _PLAIN.fullmatch(text) else loggable(text, _LONGEST)


def duration(seconds: float) -> str:
    """Write a time as whoever reads a log wants it: ``"90 s"``, ``"10 min"``, ``"2.5 h"``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
