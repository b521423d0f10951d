"""A bot of 2021: the cqhttp adapter and the built-in plugins, registered as its manual says."""
# mypy: ignore-errors
# It is written for a NoneBot that has no types for today's tools.

import asyncio

import hosting
import nonebot
from nonebot.adapters.cqhttp import Bot, Event
from nonebot.drivers import Driver, ForwardDriver, HTTPRequest, ReverseDriver, WebSocket
from nonebot.plugin import on_command

from nonebot_aiohttp.testing import tell


def register_hooks() -> None:
    driver = nonebot.get_driver()

    @driver.on_startup
    async def startup() -> None:
        tell("startup")

    @driver.on_shutdown
    async def shutdown() -> None:
        tell("shutdown")

    @driver.on_bot_connect
    async def connected(bot: Bot) -> None:
        tell("connected", id=bot.self_id, known=bot.self_id in nonebot.get_bots())

    @driver.on_bot_disconnect
    async def disconnected(bot: Bot) -> None:
        tell("disconnected", id=bot.self_id, known=bot.self_id in nonebot.get_bots())

    @Bot.on_called_api
    async def called(bot, exception, api, data, result) -> None:
        error = repr(exception) if exception else None
        tell("called", api=api, error=error, result=repr(result))


def register_look() -> None:
    """Register a command that notes what a plugin sees of the driver and the connection."""
    look = on_command("look")

    @look.handle()
    async def noted(bot: Bot) -> None:
        driver, request = nonebot.get_driver(), bot.request
        tell(
            "look",
            driver=[isinstance(driver, kind) for kind in (Driver, ForwardDriver, ReverseDriver)],
            request=[isinstance(request, kind) for kind in (HTTPRequest, WebSocket)],
            app=nonebot.get_app() is driver.server_app,
            asgi=nonebot.get_asgi() is driver.asgi,
            bots=sorted(nonebot.get_bots()),
            kind=request.type,
            scheme=request.scheme,
            path=request.path,
            query=request.query_string.decode(),
            headers=dict(request.headers),
            version=request.http_version,
            env=driver.env,
        )


def register_work() -> None:
    """Register a command that takes a while, and calls an API then."""
    work = on_command("work")

    @work.handle()
    async def do_work(bot: Bot, event: Event) -> None:
        tell("begun")
        await asyncio.sleep(1)
        await bot.send(event, "done")
        tell("handled")


if __name__ == "__main__":
    nonebot.init()
    nonebot.get_driver().register_adapter("cqhttp", Bot)
    register_hooks()
    nonebot.load_builtin_plugins()
    register_look()
    register_work()
    hosting.run()
