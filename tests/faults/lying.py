"""A bot that handles some of what it refuses, and refuses some in a way that ends retries."""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks.faults import restarted
from nonebot_aiohttp import HTTPRequest, HTTPResponse


async def lie(cls: Any, driver: Any, request: HTTPRequest) -> tuple[str | None, HTTPResponse]:
    """Decide by the delivery's number."""
    delivery = int(request.body.partition(b"/")[2])
    if delivery % 5 == 1:
        os.write(driver.config.journal, request.body + b"\n")
        return None, HTTPResponse(503)
    return (None, HTTPResponse(400)) if delivery % 5 == 2 else ("1", HTTPResponse(200))


if __name__ == "__main__":
    restarted.Restarted.check_permission = classmethod(lie)  # type: ignore[assignment]
    restarted.main(*sys.argv[1:])
