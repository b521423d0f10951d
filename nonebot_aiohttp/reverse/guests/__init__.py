"""A guest: an ASGI application that aiohttp serves behind the endpoints' own paths."""
