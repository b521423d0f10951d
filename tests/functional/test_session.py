"""The sessions for everything outbound: connector, cookies, trusted CAs, and their lives."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
from aiohttp import web

from nonebot_aiohttp import DriverOptions, LifecycleError, SetupError
from nonebot_aiohttp.connections.resolver import CACHE_TTL
from nonebot_aiohttp.connections.sessions import MAX_SPARE, SessionPool
from tests.support import scripts
from tests.support.bots import Adapter, make_driver
from tests.support.certs import Tls
from tests.support.hosts import serve_application
from tests.support.pools import opened
from tests.support.server import ScriptedServer
from tests.support.waiting import within

pytestmark = pytest.mark.both_loops

Adapter = Adapter
Opened = Callable[..., AbstractAsyncContextManager[SessionPool]]

SECRET = "s3cr3t-T0ken"


# Life


@pytest.mark.promise("forward: the session is open around all hooks")
async def test_the_session_is_open_while_the_hooks_run() -> None:
    driver = make_driver()
    seen: list[aiohttp.ClientSession] = []

    def look() -> None:
        assert not driver.session.closed
        seen.append(driver.session)

    driver.on_startup(look)
    driver.on_shutdown(look)
    early = r"driver\.session does not exist before the driver starts: use it in a startup hook"
    with pytest.raises(LifecycleError, match=early):
        _ = driver.session
    async with driver.lifespan():
        look()
    assert seen[0] is seen[1] is seen[2]
    assert seen[0].closed
    with pytest.raises(LifecycleError, match=r"driver\.session has been closed, because"):
        _ = driver.session
    async with driver.lifespan():
        assert driver.session is not seen[0]


def test_where_no_event_loop_runs_the_session_says_where_it_may_be_used() -> None:
    """Trap: a cookie jar says `no running event loop`, and is made before the session."""
    driver = make_driver()
    with pytest.raises(LifecycleError, match="in a startup hook, in a handler or later"):
        _ = driver.session


async def test_a_closed_pool_gives_nothing() -> None:
    pool = SessionPool(DriverOptions())
    for use in (pool.get, pool.isolated, pool.lend):
        with pytest.raises(LifecycleError):
            use()
    await pool.close()
    await pool.open()
    await pool.close()
    with pytest.raises(LifecycleError):
        # The session would have its own connector, which would never be closed.
        pool.isolated()


@pytest.mark.promise("life: constructing a driver opens nothing and needs no event loop")
def test_making_a_pool_binds_it_to_nothing() -> None:
    """Construction happens before gunicorn forks, and without a loop."""
    pool = SessionPool(DriverOptions())
    assert pool._connector is None
    assert not pool._sessions


# One connector


@pytest.mark.promise("forward: there is one connector, and one session for each HTTP version")
async def test_there_is_a_session_for_each_version_on_one_connector() -> None:
    async with opened() as pool:
        sessions = [pool.get("1.0"), pool.get("1.1"), pool.get(), pool.get("1.0")]
        assert sessions[0] is sessions[3]
        assert sessions[1] is sessions[2]
        assert sessions[0] is not sessions[1]
        assert sessions[0].version == aiohttp.HttpVersion10
        assert sessions[1].version == aiohttp.HttpVersion11
        assert sessions[0].connector is sessions[1].connector is not None
        for version in ("2", "3", "", "1"):
            with pytest.raises(SetupError, match="is not supported: use"):
                pool.get(version)
    assert all(session.closed for session in sessions)


async def test_an_isolated_session_shares_the_connector_and_is_its_callers() -> None:
    async with opened() as pool:
        jar = aiohttp.CookieJar()
        async with pool.isolated(cookie_jar=jar) as own:
            assert own.connector is pool.get().connector
            assert own.cookie_jar is jar
        assert not pool.get().closed
        assert own.connector is None


async def test_the_connector_has_no_limit_and_keeps_addresses() -> None:
    """Trap: 100 connections and 10 s of DNS cache are aiohttp's defaults."""
    async with opened() as pool:
        connector = pool.get().connector
        assert isinstance(connector, aiohttp.TCPConnector)
        assert connector.limit == 0
        assert connector.limit_per_host == 0
        assert connector.use_dns_cache
        assert connector._cached_hosts._ttl == CACHE_TTL


@pytest.mark.promise("forward: bots share no cookies")
async def test_cookies_of_one_answer_are_not_sent_with_the_next_request() -> None:
    cookie = {"Set-Cookie": "session=theirs; Path=/"}
    async with opened() as pool, ScriptedServer(scripts.status(200, b"", cookie)) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        for version in ("1.1", "1.1", "1.0"):
            async with pool.get(version).get(url) as response:
                # The caller sees them, and may send them.
                assert response.cookies["session"].value == "theirs"
        async with pool.get().get(url, cookies={"session": "ours"}):
            pass
        sent = [attempt.request.header("Cookie") for attempt in server.attempts]
    assert sent == [None, None, None, "session=ours"]


# TLS


async def test_a_ca_file_is_trusted_besides_the_systems(tls: Tls) -> None:
    answer = scripts.status(200, b"answer")
    async with (
        opened(ssl_cafile=tls.ca_file) as pool,
        ScriptedServer(answer, ssl_context=tls.server) as good,
        ScriptedServer(answer, ssl_context=tls.untrusted_server) as bad,
    ):
        async with pool.get().get(good.url) as response:
            assert await response.read() == b"answer"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await pool.get().get(bad.url)
        context = pool._trusted()
        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


async def test_without_a_ca_file_the_systems_are_trusted(tls: Tls) -> None:
    async with (
        opened() as pool,
        ScriptedServer(scripts.status(200), ssl_context=tls.server) as server,
    ):
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await pool.get().get(server.url)


async def test_what_is_held_outlives_the_pool() -> None:
    """A task that reads an answer when the connector is closed would wait for ever."""
    proceed = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await proceed.wait()
        await response.write(b"whole")
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    pool = SessionPool(DriverOptions())
    async with serve_application(app) as port:
        await pool.open()
        held = pool.hold()
        url = f"http://127.0.0.1:{port}/"
        async with pool.isolated() as client, client.get(url) as response:
            await pool.close()
            assert not pool.is_open
            proceed.set()
            assert await within(response.read()) == b"whole"
        assert not held.closed
        await pool.release(held)
        assert held.closed


async def test_a_pool_is_open_on_its_own_loop_only() -> None:
    async with opened() as pool:

        async def elsewhere() -> bool:
            return pool.is_open

        assert pool.is_open
        assert await asyncio.to_thread(asyncio.run, elsewhere()) is False


async def test_a_lent_session_is_lent_again_without_its_cookies() -> None:
    login = scripts.status(302, b"", {"Location": "/home", "Set-Cookie": "session=1; Path=/"})
    async with opened() as pool, ScriptedServer(login, scripts.status(200)) as server:
        lent = pool.lend()
        async with lent.get(server.url) as response:
            assert response.status == 200
        await pool.take_back(lent)
        assert pool.lend() is lent
        async with lent.get(server.url):
            pass
        await pool.take_back(lent)
        sent = [attempt.request.header("Cookie") for attempt in server.attempts]
    assert lent.closed
    assert sent == [None, "session=1", None]


async def test_a_session_is_lent_to_one_request_at_a_time() -> None:
    async with opened() as pool:
        lent = [pool.lend() for _ in range(MAX_SPARE + 1)]
        assert len(set(lent)) == MAX_SPARE + 1
        for session in lent:
            await pool.take_back(session)
        # As many as once were needed are not kept for ever.
        assert [session.closed for session in lent] == [False] * MAX_SPARE + [True]
    assert all(session.closed for session in lent)


async def test_a_lent_session_outlives_the_pool_and_is_not_lent_by_the_next_one() -> None:
    pool = SessionPool(DriverOptions())
    await pool.open()
    lent = pool.lend()
    connector = lent.connector
    assert connector is not None
    await pool.close()
    await pool.open()
    assert not lent.closed
    await pool.take_back(lent)
    assert lent.closed
    assert connector.closed
    other = pool.lend()
    assert other is not lent
    await pool.take_back(other)
    await pool.close()
