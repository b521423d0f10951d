"""Start NoneBot as the test's environment says, and hand it to the host that the test chose."""

import json
import os

import nonebot


def init() -> None:
    """Initialise NoneBot: ``DRIVER``, ``HOST`` and ``PORT`` are its own, ``SETTINGS`` are JSON."""
    nonebot.init(**json.loads(os.environ.get("SETTINGS", "{}")))


def run() -> None:
    """Run the bot until it is stopped."""
    if os.environ.get("HOSTED_BY") == "uvicorn":
        import uvicorn

        config = nonebot.get_driver().config
        uvicorn.run(nonebot.get_asgi(), host=str(config.host), port=config.port)
    else:
        nonebot.run()
