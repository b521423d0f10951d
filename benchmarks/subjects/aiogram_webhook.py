"""aiogram's webhook server, which answers at once and handles the event in a task.

Unlike the others it also parses the event and validates it: that is its handler's argument.
"""

from __future__ import annotations

import sys

from aiogram import Bot, Dispatcher
from aiogram.types import Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

from ..control import Control
from ..load.loop import new_event_loop
from .support import tally


async def handle_message(_message: Message) -> None:
    """Count a message."""
    tally.handled += 1


def serve(port: str) -> None:
    """Serve the webhook."""
    dispatcher = Dispatcher()
    dispatcher.message.register(handle_message)
    app = web.Application()
    handler = SimpleRequestHandler(dispatcher, Bot("1:token"), handle_in_background=True)
    handler.register(app, path="/bench/")
    Control(tally)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(port),
        access_log=None,
        print=lambda *_: None,
        loop=new_event_loop(),
    )


if __name__ == "__main__":
    serve(sys.argv[1])
