"""A FastAPI application beside a NoneBot2 bot: one process, one port, one event loop.

Run it with ``pip install "nonebot-aiohttp[fastapi,speedups]" nonebot2``, and then
``python examples/beside_fastapi.py``. The bot has its own paths, and FastAPI has all others.
"""

import nonebot
from fastapi import FastAPI
from nonebot.drivers import URL, ASGIMixin, HTTPServerSetup, Request, Response


async def ping(_: Request) -> Response:
    """Answer as an adapter's webhook would."""
    return Response(200, content="pong")


def main() -> None:
    """Start NoneBot with both."""
    nonebot.init(driver="nonebot_aiohttp.nonebot2", aiohttp_fastapi=True)
    driver = nonebot.get_driver()
    assert isinstance(driver, ASGIMixin)
    driver.setup_http_server(HTTPServerSetup(URL("/ping"), "GET", "ping", ping))

    app: FastAPI = nonebot.get_app()

    @app.get("/hello/{name}")
    async def hello(name: str) -> dict[str, str]:
        """Greet, and show that FastAPI parses the parameters."""
        return {"hello": name}

    nonebot.run()


if __name__ == "__main__":
    main()
