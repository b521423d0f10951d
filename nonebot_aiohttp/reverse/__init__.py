"""What platforms connect to: webhooks and reverse WebSockets, under aiohttp and under ASGI."""
