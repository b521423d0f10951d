"""The sessions for everything outbound: one connector, no cookies, proxies, trusted CAs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from nonebot_aiohttp import Driver, DriverOptions, LifecycleError, SetupError, session
from nonebot_aiohttp.session import DNS_CACHE_TTL, SESSION_TAKES_PROXY, SessionPool
from tests.support import scripts
from tests.support.bots import RecordingBot, make_driver
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, WEBSOCKET, Way, answers, clocked_driver
from tests.support.logs import Logs
from tests.support.proxy import RecordingProxy
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

Adapter = type[RecordingBot]
Opened = Callable[..., AbstractAsyncContextManager[SessionPool]]

SECRET = "s3cr3t-T0ken"


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[SessionPool]:
    """Give an open pool."""
    pool = SessionPool(DriverOptions.parse(settings))
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an environment without proxies."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# Life


async def test_the_session_is_open_while_the_hooks_run() -> None:
    driver = make_driver()
    seen: list[aiohttp.ClientSession] = []

    def look() -> None:
        assert not driver.session.closed
        seen.append(driver.session)

    driver.on_startup(look)
    driver.on_shutdown(look)
    with pytest.raises(LifecycleError, match="only while the driver runs"):
        _ = driver.session
    async with driver.lifespan():
        look()
    assert seen[0] is seen[1] is seen[2]
    assert seen[0].closed
    with pytest.raises(LifecycleError):
        _ = driver.session
    async with driver.lifespan():
        assert driver.session is not seen[0]


async def test_a_closed_pool_gives_nothing() -> None:
    pool = SessionPool(DriverOptions())
    for use in (pool.get, pool.isolated, pool.lend):
        with pytest.raises(LifecycleError):
            use()
    await pool.close()
    await pool.open()
    await pool.close()
    with pytest.raises(LifecycleError):
        # Which would have a connector of its own that nobody closes.
        pool.isolated()


def test_making_a_pool_binds_it_to_nothing() -> None:
    """Construction happens before gunicorn forks, and without a loop."""
    pool = SessionPool(DriverOptions())
    assert pool._connector is None
    assert not pool._sessions


# One connector


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
        assert connector._cached_hosts._ttl == DNS_CACHE_TTL


async def test_more_requests_than_aiohttps_limit_are_in_flight_at_once() -> None:
    async with opened() as pool, ScriptedServer(scripts.hang()) as server:
        asking = [asyncio.ensure_future(pool.get().get(server.url)) for _ in range(110)]
        await eventually(lambda: len(server.attempts) == 110)
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_requests_share_a_connection() -> None:
    """Trap: a client per request (nonebot2#2617)."""
    async with opened() as pool, ScriptedServer(answers(b"1", b"2")) as server:
        for expected in (b"1", b"2"):
            async with pool.get().get(server.url) as response:
                assert await response.read() == expected
        assert len(server.attempts) == 1


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
        context = pool._ssl()
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


# Proxies of the environment, and of the settings


@pytest.fixture(params=[POLLING, WEBSOCKET], ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    """Give each way to connect."""
    found: Way = request.param
    return found


async def connect(way: Way, driver: Driver, server: ScriptedServer, adapter: Adapter) -> None:
    """Let an event arrive over a connection to the server."""
    way.add(driver, way.setup(way.url(server) + "/path"))
    async with driver.lifespan():
        await eventually(lambda: adapter.messages)


@pytest.mark.parametrize("secure", [False, True])
async def test_proxies_of_the_environment_are_honoured(
    way: Way,
    secure: bool,
    fake_clock: FakeClock,
    adapter: Adapter,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trap: `trust_env` is off by default, and `HTTPS_PROXY` ignored for `wss://`."""
    async with (
        RecordingProxy() as proxy,
        ScriptedServer(way.good, ssl_context=tls.server if secure else None) as server,
    ):
        monkeypatch.setenv("HTTPS_PROXY" if secure else "HTTP_PROXY", proxy.url)
        # The other one is not asked.
        monkeypatch.setenv("HTTP_PROXY" if secure else "HTTPS_PROXY", "http://127.0.0.1:1")
        driver = clocked_driver(fake_clock, adapter, ssl_cafile=tls.ca_file)
        await connect(way, driver, server, adapter)
        target = f"127.0.0.1:{server.port}"
        expected = f"CONNECT {target} " if secure else _request_to(way, target)
        assert proxy.start_lines[0].startswith(expected)
        assert len(server.attempts) == 1


def _request_to(way: Way, target: str) -> str:
    return f"{'POST' if way is POLLING else 'GET'} {way.scheme}://{target}/path "


async def test_no_proxy_is_honoured(
    way: Way, fake_clock: FakeClock, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: an explicit `proxy=` bypasses `NO_PROXY`."""
    async with RecordingProxy() as proxy, ScriptedServer(way.good) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
        await connect(way, clocked_driver(fake_clock, adapter), server, adapter)
        assert not proxy.attempts


async def test_the_setting_overrides_the_environment(
    way: Way, fake_clock: FakeClock, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: proxy options silently ignored (nonebot2#2908)."""
    async with RecordingProxy() as proxy, ScriptedServer(way.good) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        driver = clocked_driver(fake_clock, adapter, proxy=proxy.url)
        await connect(way, driver, server, adapter)
        assert len(proxy.attempts) == 1


@pytest.mark.parametrize("source", ["environment", "setting"])
@pytest.mark.parametrize("secure", [False, True])
async def test_api_calls_go_through_the_proxy_too(
    secure: bool, source: str, tls: Tls, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    async with (
        RecordingProxy() as proxy,
        ScriptedServer(
            scripts.status(200, b"answer"), ssl_context=tls.server if secure else None
        ) as server,
    ):
        settings: dict[str, Any] = {"ssl_cafile": tls.ca_file}
        if source == "setting":
            settings["proxy"] = proxy.url
        else:
            monkeypatch.setenv("HTTPS_PROXY" if secure else "HTTP_PROXY", proxy.url)
        async with opened(**settings) as pool, pool.get().get(server.url) as response:
            assert await response.read() == b"answer"
    # An older aiohttp has no proxies of sessions, which is said rather than ignored.
    possible = SESSION_TAKES_PROXY or source == "environment"
    assert len(proxy.attempts) == possible
    assert bool(logs.matching("only with aiohttp 3.11", "WARNING")) == (not possible)


async def test_an_older_aiohttp_is_warned_of(monkeypatch: pytest.MonkeyPatch, logs: Logs) -> None:
    monkeypatch.setattr(session, "SESSION_TAKES_PROXY", False)
    async with opened(proxy=f"http://user:{SECRET}@127.0.0.1:1") as pool:
        pool.get()
    assert logs.messages("WARNING") == [
        "aiohttp_proxy reaches driver.session only with aiohttp 3.11 or newer"
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org", "http://plain:1"),
        ("ws://example.org", "http://plain:1"),
        ("https://example.org", "http://tls:2"),
        ("wss://example.org", "http://tls:2"),
        ("http://internal.example", None),
        ("wss://sub.internal.example:8443/x", None),
        ("/relative", None),
    ],
)
def test_the_proxy_of_a_url(
    url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://plain:1")
    monkeypatch.setenv("https_proxy", "http://tls:2")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    found = SessionPool(DriverOptions()).proxy_for(URL(url))
    assert found == (URL(expected) if expected else None)
    setting = SessionPool(DriverOptions.parse({"proxy": "http://own:3"}))
    assert setting.proxy_for(URL(url)) == URL("http://own:3")


@pytest.mark.parametrize(
    "proxy",
    [
        f"socks5://user:{SECRET}@127.0.0.1:1080",
        "127.0.0.1:3128",
        f"http://user:{SECRET}@127.0.0.1:port",
    ],
)
async def test_a_proxy_that_aiohttp_cannot_speak_to_is_not_ignored_silently(
    proxy: str, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    """Trap: proxy options silently ignored (nonebot2#2908)."""
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    async with opened() as pool:
        for _ in range(2):
            assert pool.proxy_for(URL("http://example.org")) is None
            assert not pool.get().trust_env
    assert logs.messages("WARNING") == ["HTTP_PROXY is ignored: it is no http or https URL"]


async def test_the_environment_is_read_once_for_each_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = URL("http://example.org")
    async with opened() as pool:
        assert pool.proxy_for(url) is None
        monkeypatch.setenv("HTTP_PROXY", "http://new:1")
        assert pool.proxy_for(url) is None
        await pool.close()
        await pool.open()
        assert pool.proxy_for(url) == URL("http://new:1")
        # Of the same settings, with a connector of its own.
        another = pool.another()
        assert not another.is_open
        assert another.proxy_for(url) == URL("http://new:1")
        assert pool.is_open


async def test_a_proxy_that_refuses_is_an_outage_and_its_password_no_news(
    way: Way, fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    async with ScriptedServer(scripts.status(407)) as proxy, ScriptedServer(way.good) as server:
        url = proxy.url.replace("://", f"://user:{SECRET}@")
        driver = clocked_driver(fake_clock, adapter, proxy=url)
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await fake_clock.slept(1)
            await proxy.refuse()
            await fake_clock.advance_to_next()
            await fake_clock.slept(2)
        assert (proxy.attempts[0].request.header("Proxy-Authorization") or "").startswith("Basic ")
        assert not server.attempts
    assert len(logs.matching("of bot 1 (recorder): ", "WARNING")) == 2
    assert SECRET not in logs.output
