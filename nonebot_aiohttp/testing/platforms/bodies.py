"""``Body``: what a message over HTTP carries, read as a test wants it."""

from __future__ import annotations

import json
from typing import Any


class Body:
    """The base of requests and answers: what has a `body` of bytes."""

    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.body)
