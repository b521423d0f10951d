"""The bot of the suites, which answers ``/photo`` with a file."""

# NoneBot finds out what parameters are by annotations, which are local names here, so that these
# are evaluated at once.

from nonebot_aiohttp.testing.inside.echo import echo_bot
from nonebot_aiohttp.testing.inside.telling import tell

NAME, PHOTO, CAPTION = "图.png", b"\x00\xff", "说明"


def uploading_bot() -> None:
    """Register what `echo_bot` does, and the upload."""
    echo_bot()
    # Only a bot's own process has NoneBot.
    import nonebot
    from nonebot.adapters import Bot, Event

    photo = nonebot.on_command("photo")

    @photo.handle()
    async def send_photo(bot: Bot, event: Event) -> None:
        await bot.send_photo(chat_id=event.get_user_id(), photo=(NAME, PHOTO), caption=CAPTION)
        tell("uploaded")
