"""A bot that handles some of what it refuses, and refuses some in a way that ends retries."""

from __future__ import annotations

import json
import sys
from typing import Any

from nonebot_aiohttp import HTTPRequest, HTTPResponse
from tests.process.bots.common import PlatformBot, driver_of_test, note_in_journal


async def lie(cls: Any, driver: Any, request: HTTPRequest) -> tuple[str | None, HTTPResponse]:
    """Decide by the delivery's number."""
    delivery = json.loads(request.body)["id"]
    kind = int(delivery.partition("/")[2]) % 5
    if kind == 1:
        note_in_journal(f"handled {delivery}")
        return None, HTTPResponse(503)
    return (None, HTTPResponse(400)) if kind == 2 else ("1", HTTPResponse(200))


if __name__ == "__main__":
    PlatformBot.check_permission = classmethod(lie)  # type: ignore[assignment]
    driver_of_test().run("127.0.0.1", int(sys.argv[1]))
