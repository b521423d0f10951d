"""A FastAPI application beside a NoneBot2 bot: one process, one port, one event loop.

Run it with ``pip install "nonebot-aiohttp[speedups]" nonebot2 fastapi aiohttp-asgi``, and then
``python examples/beside_fastapi.py``: the bot's own paths come first, FastAPI has all the others.
"""

import nonebot
from aiohttp_asgi import ASGIResource
from fastapi import FastAPI
from nonebot.drivers import URL, ASGIMixin, HTTPServerSetup, Request, Response

site = FastAPI()


@site.get("/hello/{name}")
async def hello(name: str) -> dict[str, str]:
    """Greet, and show that FastAPI parses and documents as ever (``/docs``)."""
    return {"hello": name}


async def ping(_: Request) -> Response:
    """Answer as an adapter's webhook would."""
    return Response(200, content="pong")


def main() -> None:
    """Start NoneBot with both."""
    nonebot.init(driver="nonebot_aiohttp.nonebot2")
    driver = nonebot.get_driver()
    assert isinstance(driver, ASGIMixin)
    driver.setup_http_server(HTTPServerSetup(URL("/ping"), "GET", "ping", ping))

    resource = ASGIResource(site, root_path="/")
    driver.server_app.router.register_resource(resource)
    # FastAPI's own startup and shutdown run with the bot's.
    resource.lifespan_mount(driver.server_app)

    nonebot.run()


if __name__ == "__main__":
    main()
