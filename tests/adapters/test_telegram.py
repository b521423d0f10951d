"""The adapter for Telegram (https://core.telegram.org/bots/api), by polling and by webhook.

The address of the API is the one that is fixed in the adapter, so the bot reaches it by a proxy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites
from tests.compat.support.telegram import (
    BOT,
    METHODS,
    TOKEN,
    introduce,
    message,
    ok,
    update,
    updates,
)

from .support.uploading import CAPTION, NAME, PHOTO, uploading_bot

HOST = "api.telegram.org"
STOP = suites.Known(
    "The adapter does not wait for the handlers of its events at the stop, and NoneBot2's own "
    "drivers do not either.",
    drivers=("~fastapi",),
)


class Telegram(suites.Suite):
    adapter = "nonebot.adapters.telegram"
    program = staticmethod(uploading_bot)
    hosts = (HOST,)
    api = ("POST", f"{METHODS}/sendMessage")
    is_webhook: bool

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {
            "telegram_bots": [{"token": TOKEN, "is_webhook": self.is_webhook}],
            "telegram_webhook_url": "https://bot.example",
        }

    def prepare(self, platform: testing.Platform) -> None:
        introduce(platform)

    def limit(self, retry_after: float | str | None) -> testing.Fault:
        """See https://core.telegram.org/bots/api#responseparameters."""
        refusal: dict[str, Any] = {"ok": False, "error_code": 429, "description": "Too Many"}
        if retry_after is not None:
            refusal["parameters"] = {"retry_after": retry_after}
        return testing.Status(429, retry_after, json.dumps(refusal).encode())

    def event(self, text: str) -> Any:
        return update(text)

    def said(self, call: suites.Message) -> str | None:
        assert isinstance(call, testing.Call)
        assert call.host == HOST
        assert call.parameters["chat_id"] == "100"
        text: str = call.parameters["text"]
        return text

    def result(self, call: suites.Message) -> Any:
        return ok(message(self.said(call) or ""))


class TestPolling(Telegram, suites.PollingSuite):
    is_webhook = False
    known = {
        "test_a_start_without_the_platform_is_made_good": suites.Known(
            "The adapter calls getMe once, when the bot starts, and does not poll if that fails."
        ),
        "test_a_stop_lets_an_event_in_flight_end": STOP,
        "test_an_event_that_makes_no_sense_is_survived[nonsense]": suites.Known(
            "The adapter asks again and again for updates of which it cannot read one."
        ),
    }

    def updates(self, platform: testing.Platform) -> testing.Updates:
        return updates(platform)

    @suites.scenario
    async def test_the_bot_asks_who_it_is_and_polls_with_offsets(self) -> None:
        """It ends an old webhook first, since ``getUpdates`` does not work beside one."""
        async with self.running() as bot:
            assert (await bot.told("connected"))["id"] == str(BOT["id"])
            await self.assert_answers("two")
        paths = [call.path.rpartition("/")[2] for call in self.platform.calls]
        assert paths[:3] == ["getMe", "deleteWebhook", "getUpdates"]

    @suites.scenario
    async def test_a_file_is_uploaded(self) -> None:
        """A file comes with its name and all of its bytes, and the message refers to it."""
        photo = self.platform.on("POST", f"{METHODS}/sendPhoto").reply(json=ok(message("photo")))
        async with self.running() as bot:
            await self.say("/photo")
            call = await photo.expect(deadline=self.patience)
            await bot.told("uploaded", deadline=self.patience)
        assert call.form["caption"] == CAPTION
        assert call.form["photo"] == f"attach://{NAME}"
        upload = call.file(NAME)
        assert (upload.filename, upload.data) == (NAME, PHOTO)


class TestWebhook(Telegram, suites.WebhookSuite):
    """The secret token is what the adapter has made up and shown in ``setWebhook``."""

    is_webhook = True
    path = "/telegram"
    known = {
        "test_a_start_without_the_platform_is_made_good": suites.Known(
            "The bot does not start if the adapter's setWebhook fails."
        ),
        "test_a_stop_lets_an_event_in_flight_end": STOP,
        "test_garbage_is_refused": suites.Known(
            "A body that is not JSON is an error in the adapter, and so is answered 500."
        ),
    }

    def prepare(self, platform: testing.Platform) -> None:
        super().prepare(platform)
        set_webhook = platform.on("POST", f"{METHODS}/setWebhook", host=HOST)
        self.webhook = set_webhook.reply(json=ok(True))

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        parameters = self.webhook.calls[-1].parameters
        assert parameters["url"] == "https://bot.example/telegram"
        shown = parameters["secret_token"] if token == self.token else token
        secret = {} if shown is None else {"X-Telegram-Bot-Api-Secret-Token": shown}
        return {"Content-Type": "application/json", **secret}

    @suites.scenario
    async def test_events_and_strangers_get_statuses(self) -> None:
        """What is taken is answered 204, and who shows another secret gets 401."""
        async with self.running():
            assert (await self.post(self.event("/say yes"))).status == 204
            assert (await self.post_with(self.event("/say no"), "wrong")).status == 401
            await self.answered("yes")
