"""A bot mounted in a Starlette application, which starts and stops it in its own lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.process.bots.common import driver_of_test

driver = driver_of_test()


async def home(_: Request) -> PlainTextResponse:
    return PlainTextResponse("the site")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Start and stop the driver, because Starlette does not do that for mounted applications."""
    async with driver.lifespan():
        yield


app = Starlette(routes=[Route("/", home), Mount("/bots/here", app=driver.asgi)], lifespan=lifespan)
