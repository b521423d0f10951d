"""Where a driver runs: its own process, an aiohttp application, an ASGI server."""
