"""Tests of the HTTP API that the kit's platform serves, of polls, and of what it reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import NothingCame, Platform, Status
from nonebot_aiohttp.testing.platforms.seen import Call
from tests.support.client import RawClient

pytestmark = pytest.mark.both_loops


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with Platform() as made:
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


class Api:
    """The bot's side: it calls a method, and returns the status and the JSON of the answer."""

    def __init__(self, platform: Platform, session: aiohttp.ClientSession) -> None:
        self._url = platform.url
        self._session = session

    async def __call__(self, path: str, **how: Any) -> tuple[int, Any]:
        async with self._session.post(self._url + path, **how) as got:
            text = await got.text()
            return got.status, json.loads(text) if text.startswith(("{", "[")) else text


@pytest.fixture
def api(platform: Platform, session: aiohttp.ClientSession) -> Api:
    return Api(platform, session)


async def test_answers_in_turn_by_json_a_function_and_an_async_function(
    platform: Platform, api: Api
) -> None:
    async def later(call: Call) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"text": call.json["text"]}

    route = (
        platform.on("POST", "/bot{token}/{method}")
        .reply(json={"n": 1}, headers={"X-A": "b"})
        .reply(lambda call: call.match)
        .reply(later)
        .reply(lambda _: testing.Reply(b"teapot", 418))
        .reply(text="the last", times=None)
    )
    assert await api("/bot1/send", json={}) == (200, {"n": 1})
    assert await api("/bot1/send", json={}) == (200, {"token": "1", "method": "send"})
    assert await api("/bot1/send", json={"text": "é"}) == (200, {"text": "é"})
    assert await api("/bot1/send", json={}) == (418, "teapot")
    assert await api("/bot1/send", json={}) == (200, "the last")
    assert await api("/bot1/send", json={}) == (200, "the last")
    assert [call.json for call in route.calls] == [{}, {}, {"text": "é"}, {}, {}, {}]


async def test_the_route_that_was_named_last_is_asked_first(platform: Platform, api: Api) -> None:
    platform.on("*", "/{rest:.*}").reply(json={"any": True})
    platform.on("POST", "/send", json={"chat": {"id": 5}}).reply(json={"five": True})
    assert await api("/send", json={"chat": {"id": 5, "type": "x"}, "text": "a"}) == (
        200,
        {"five": True},
    )
    assert await api("/send", json={"chat": {"id": 6}}) == (200, {"any": True})


async def test_a_part_of_a_form_or_of_the_query(platform: Platform, api: Api) -> None:
    platform.on("POST", "/send", json={"chat_id": "5", "silent": "1"}).reply(json={})
    assert await api("/send?silent=1", data={"chat_id": "5"}) == (200, {})


async def test_of_several_values_of_one_name_the_last_one_counts(
    platform: Platform, api: Api
) -> None:
    platform.on("POST", "/send").reply(json={})
    await api("/send?a=1&a=2", data=[("b", "1"), ("b", "2")])
    call = await platform.expect("POST", "/send")
    assert (call.query, call.form) == ({"a": "2"}, {"b": "2"})


async def test_a_function_makes_the_whole_answer(platform: Platform) -> None:
    with pytest.raises(TypeError, match="have it return a Reply"):
        platform.on("POST", "/send").reply(lambda call: call.json, status=201)


async def test_expect_takes_each_call_once(platform: Platform, api: Api) -> None:
    route = platform.on("POST", "/{method}").reply(json={})
    await asyncio.gather(*(api("/send", json={"n": number}) for number in range(3)))
    assert (await route.expect(json={"n": 2})).json == {"n": 2}
    left = {(await route.expect()).json["n"], (await platform.expect("POST", "/send")).json["n"]}
    assert left == {0, 1}
    with pytest.raises(NothingCame):
        await route.expect(deadline=0)


async def test_expect_of_a_platform_has_placeholders_of_its_own(
    platform: Platform, api: Api
) -> None:
    platform.on("POST", "/{rest:.*}").reply(json={})
    await api("/bot1/send", json={})
    assert (await platform.expect("POST", "/bot{token}/{method}")).match == {
        "token": "1",
        "method": "send",
    }


async def test_a_failure_of_expect_tells_what_came_instead(platform: Platform, api: Api) -> None:
    route = platform.on("POST", "/send").reply(json={})
    await api("/send", json={"chat": {"id": 5}, "text": "hi"})
    with pytest.raises(NothingCame) as raised:
        await route.expect(json={"chat": {"id": 6}, "to": 1}, deadline=0.01)
    told = str(raised.value)
    assert "POST /send with {'chat': {'id': 6}, 'to': 1} did not come within 0.01 s" in told
    assert 'it got POST /send {"chat": {"id": 5}, "text": "hi"}' in told
    assert "['chat']['id'] is 5 instead of 6" in told
    assert "['to'] is missing, beside 'chat', 'text'" in told
    assert '< POST /send {"chat"' in told.partition("platform")[2]
    with pytest.raises(NothingCame, match=r"its host is 127\.0\.0\.1 instead of other"):
        await platform.expect("POST", "/send", host="other.example", deadline=0)


async def test_uploads_are_taken_apart(platform: Platform, api: Api) -> None:
    route = platform.on("POST", "/upload").reply(json={})
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("chat_id", "5")
    form.add_field("media", b"\r\n--x\r\n\x00", filename="报 a;b.png", content_type="image/png")
    form.add_field("media", b"", filename="empty")
    assert (await api("/upload", data=form))[0] == 200
    call = await route.expect()
    assert call.form == {"chat_id": "5"}
    assert [(each.field, each.filename, each.data) for each in call.files] == [
        ("media", "报 a;b.png", b"\r\n--x\r\n\x00"),
        ("media", "empty", b""),
    ]


@pytest.mark.parametrize(
    ("after", "header"),
    [
        (3, "3"),
        (0.5, "0.5"),
        ("soon", "soon"),
        (
            datetime(2030, 1, 2, 4, 0, tzinfo=timezone(timedelta(hours=1))),
            "Wed, 02 Jan 2030 03:00:00 GMT",
        ),
        (None, None),
    ],
)
async def test_retry_after(
    platform: Platform,
    session: aiohttp.ClientSession,
    after: float | datetime | str | None,
    header: str | None,
) -> None:
    platform.on("GET", "/x").fail(Status(429, retry_after=after, body=b"{}"))
    async with session.get(platform.url + "/x") as got:
        assert (got.status, got.headers.get("Retry-After")) == (429, header)
        assert await got.read() == b"{}"


@pytest.mark.parametrize(("after", "asked"), [(False, 4), (True, 3)])
async def test_updates_are_given_until_they_are_confirmed(
    platform: Platform, api: Api, after: bool, asked: int
) -> None:
    updates = platform.updates(
        "*", "/getUpdates", id="update_id", after=after, wrap=lambda given: {"result": given}
    )
    updates.put({"update_id": 3}, {"update_id": 4})
    both = {"result": [{"update_id": 3}, {"update_id": 4}]}
    assert await api("/getUpdates") == (200, both)
    assert await api("/getUpdates", data={"offset": "0"}) == (200, both)
    assert await api("/getUpdates", json={"offset": asked}) == (200, {"result": [{"update_id": 4}]})
    assert updates.offsets == [None, 0, asked]
    assert updates.waiting == [{"update_id": 4}]


async def test_a_poll_is_held_until_there_is_an_update(platform: Platform, api: Api) -> None:
    updates = platform.updates("POST", "/getUpdates")
    polling = asyncio.create_task(api("/getUpdates"))
    await updates.expect()
    updates.put({"id": 1})
    assert await polling == (200, [{"id": 1}])


async def test_a_poll_is_held_no_longer_than_told(platform: Platform, api: Api) -> None:
    platform.updates("POST", "/getUpdates", hold=0.01)
    assert await api("/getUpdates") == (200, [])


async def test_a_poll_is_released_without_updates(platform: Platform, api: Api) -> None:
    updates = platform.updates("POST", "/getUpdates")
    updates.release()
    assert await api("/getUpdates") == (200, [])
    polling = asyncio.create_task(api("/getUpdates"))
    await updates.polls.wait(lambda polls: len(polls) == 2 or None, "the second poll")
    updates.release()
    assert await polling == (200, [])


async def test_polls_fail_in_turn_and_lose_no_update(platform: Platform, api: Api) -> None:
    updates = platform.updates("POST", "/getUpdates")
    updates.fail(Status(502)).reply(json={"ok": False}, status=409)
    updates.put({"id": 1})
    statuses = [(await api("/getUpdates"))[0] for _ in range(3)]
    assert statuses == [502, 409, 200]
    assert list(updates.failed) == updates.polls[:1]
    with pytest.raises(KeyError, match="'id'"):
        updates.put({"update_id": 1})


async def _ask(platform: Platform, path: str) -> int:
    async with await RawClient.connect(platform.port) as client:
        return (await client.request("GET", path)).status


async def test_an_unexpected_request_is_answered_501_and_fails_the_test() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.on("GET", "/once").reply(json={}, times=1)
            platform.on("GET", "/never")
            assert await _ask(platform, "/what") == 501
            assert await _ask(platform, "/once") == 200
            assert await _ask(platform, "/once") == 501
            assert await _ask(platform, "/never") == 501

    with pytest.raises(testing.UnexpectedRequests) as raised:
        await test()
    told = str(raised.value)
    assert "unexpected: GET /what (no route is for it: platform.on('GET', '/what')" in told
    assert "all replies of GET /once were used" in told
    assert "GET /never has no reply yet" in told
    assert "< GET /what" in told


async def test_an_unexpected_websocket_says_how_to_expect_it() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.websocket("/ws")
            async with await RawClient.connect(platform.port) as client:
                assert (await client.upgrade("/other")).status == 501

    with pytest.raises(testing.UnexpectedRequests, match=r"platform\.websocket\('/other'\)"):
        await test()


async def test_what_was_never_used_fails_the_test() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.on("GET", "/x").reply(json={}).reply(json={"optional": 1}, optional=True)
            platform.on("GET", "/y").reply(json={}, optional=True)
            platform.updates("GET", "/updates").fail(testing.Reset())
            platform.websocket("/ws").refuse(403)
            platform.next_connections(None, testing.Garbage())

    with pytest.raises(testing.UnusedReplies) as raised:
        await test()
    told = str(raised.value)
    assert "GET /x: 1 of 2 replies never used" in told
    assert "GET /updates: 1 of 1 replies never used" in told
    assert "the WebSocket /ws: 1 of 1 refusals or faults never used" in told
    assert "has struck no connection" in told
    assert "/y" not in told


async def test_what_was_used_too_seldom_fails_the_test() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.on("GET", "/x").reply(json={}, times=3).reply(json={}, optional=True, times=2)
            platform.websocket("/ws").refuse(403, times=2)
            assert await _ask(platform, "/x") == 200
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with aiohttp.ClientSession() as session:
                    await session.ws_connect(platform.ws_url + "/ws")

    with pytest.raises(testing.UnusedReplies) as raised:
        await test()
    told = str(raised.value)
    assert "GET /x: number 1 of 2 replies used 1 of 3 times\n" in told
    assert "the WebSocket /ws: number 1 of 1 refusals or faults used 1 of 2 times\n" in told


async def test_a_fault_strikes_one_request_unless_told_otherwise(platform: Platform) -> None:
    failing = platform.on("GET", "/y").fail(Status(503)).reply(json={})
    assert [await _ask(platform, "/y") for _ in range(3)] == [503, 200, 200]
    assert len(failing.calls) == 3
    platform.on("GET", "/z").fail(Status(503), times=None)
    assert [await _ask(platform, "/z") for _ in range(2)] == [503, 503]


async def test_a_fault_that_strikes_once_leaves_no_answer_behind() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.on("GET", "/x").fail(Status(503))
            assert await _ask(platform, "/x") == 503
            assert await _ask(platform, "/x") == 501

    with pytest.raises(testing.UnexpectedRequests, match="all replies of GET /x were used"):
        await test()


async def test_a_fault_of_websockets_that_met_none_is_unused() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.on("GET", "/x").reply(json={})
            platform.next_connections(testing.Silent())
            assert await _ask(platform, "/x") == 200

    with pytest.raises(testing.UnusedReplies, match="Silent"):
        await test()


async def test_both_can_be_turned_off() -> None:
    async with Platform(allow_unexpected=True, allow_unused=True) as platform:
        platform.on("GET", "/x").reply(json={})
        assert await _ask(platform, "/what") == 501


@pytest.mark.parametrize("allowed", [False, True])
async def test_an_error_of_the_tests_own_function_fails_it(allowed: bool) -> None:
    def answer(call: Call) -> Any:
        return call.json["nothing"]

    async def test() -> None:
        async with Platform(allow_unexpected=allowed, allow_unused=allowed) as platform:
            platform.on("GET", "/x").reply(answer)
            assert await _ask(platform, "/x") == 500

    with pytest.raises(testing.FunctionFailed) as raised:
        await test()
    assert isinstance(raised.value.__cause__, ValueError)
    assert "the function that answers GET /x has failed" in str(raised.value)
    assert 'return call.json["nothing"]' in str(raised.value)


async def test_a_test_that_has_failed_already_keeps_its_error() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.on("GET", "/unused").reply(json={})
            await _ask(platform, "/what")
            raise KeyError("mine")

    with pytest.raises(KeyError) as raised:
        await test()
    notes = getattr(raised.value, "__notes__", ["unexpected: GET /what"])
    assert any("unexpected: GET /what" in note for note in notes)


async def test_hundreds_of_calls_at_the_same_time(
    platform: Platform, session: aiohttp.ClientSession
) -> None:
    route = platform.on("POST", "/x").reply(lambda call: call.json)
    count = 400

    async def bot(first: int) -> None:
        for number in range(first, count, 8):
            async with session.post(platform.url + "/x", json={"n": number}) as got:
                assert await got.json() == {"n": number}

    await asyncio.gather(*(bot(first) for first in range(8)))
    assert sorted([(await route.expect()).json["n"] for _ in range(count)]) == list(range(count))
