"""A bot for servers that import an application: gunicorn, uvicorn, hypercorn."""

from __future__ import annotations

from tests.process.bots.common import driver_of_test

driver = driver_of_test()
server_app = driver.server_app
asgi = driver.asgi
