"""The messages that every load sends and every subject recognises."""

from __future__ import annotations

import json

EVENT_SIZE = 300
"""Bytes of one event: about a short chat message in the JSON of OneBot or Telegram."""

COUNT_REQUEST = "count"
"""A WebSocket message that asks the subject how many messages it has handled, itself included."""

API_ANSWER = b'{"status":"ok","retcode":0,"data":{"message_id":12345},"message":"","echo":null}'
"""The answer of the simulated platform to every API call."""


def _make_event() -> bytes:
    # A Telegram update; the subjects do not look inside.
    message = {
        "message_id": 1,
        "date": 1700000000,
        "chat": {"id": 1, "type": "private", "first_name": "Ada"},
        "from": {"id": 1, "is_bot": False, "first_name": "Ada", "language_code": "en"},
        "text": "",
    }
    update = {"update_id": 1, "message": message}
    message["text"] = "x" * (EVENT_SIZE - len(json.dumps(update)))
    return json.dumps(update).encode()


EVENT = _make_event()
