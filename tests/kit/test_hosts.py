"""Tests of hosts that the kit's platform plays, by a proxy and a certificate of its own."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
import websockets

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import Platform
from tests.support.client import RawClient

API, GATEWAY = "api.platform.example", "gateway.platform.example"


@pytest.fixture
async def platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    """Give a platform that plays two hosts, to programs with its environment."""
    async with Platform(hosts=(API, GATEWAY)) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def _trusting(platform: Platform) -> ssl.SSLContext:
    # aiohttp makes its own when it is imported, before there is an environment.
    return ssl.create_default_context(cafile=platform.environment["SSL_CERT_FILE"])


@pytest.fixture
async def session(platform: Platform) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client that obeys the environment, as stock drivers have."""
    connector = aiohttp.TCPConnector(ssl=_trusting(platform))
    async with aiohttp.ClientSession(trust_env=True, connector=connector) as made:
        yield made


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_fixed_host(
    platform: Platform, session: aiohttp.ClientSession, scheme: str
) -> None:
    platform.on("GET", "/x", host=GATEWAY).reply(json={"host": "the other"}, optional=True)
    platform.on("GET", "/x", host=API).reply(json={"host": "this"})
    for _ in range(2):
        async with session.get(f"{scheme}://{API}/x?a=1") as got:
            assert await got.json() == {"host": "this"}
    call = await platform.expect("GET", "/x", host=API)
    assert (call.host, call.query) == (API, {"a": "1"})


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_websockets_at_a_fixed_host_by_aiohttp(
    platform: Platform, session: aiohttp.ClientSession, scheme: str
) -> None:
    platform.websocket("/gw", host=GATEWAY)
    async with session.ws_connect(f"{scheme}://{GATEWAY}/gw") as ws:
        connection = await platform.connected("/gw")
        assert connection.call.host == GATEWAY
        await connection.send({"op": 10})
        assert await ws.receive_json() == {"op": 10}


async def test_websockets_at_a_fixed_host_by_websockets(platform: Platform) -> None:
    async with websockets.connect(f"wss://{GATEWAY}/gw", ssl=_trusting(platform)) as ws:
        connection = await platform.connected()
        await ws.send("hello")
        await connection.expect("hello")


# Python 3.10 warns of a client's TLS transport whose peer has left without a goodbye.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "fault", [testing.Reset(), testing.Garbage(), testing.Cut(20), testing.Status(503)], ids=str
)
async def test_faults_strike_behind_the_proxy(
    platform: Platform, session: aiohttp.ClientSession, fault: testing.Fault
) -> None:
    platform.on("POST", "/x").reply(json={})
    # Not a method that aiohttp repeats by itself.
    platform.next_connections(fault)
    if isinstance(fault, testing.Status):
        async with session.post(f"https://{API}/x") as got:
            assert got.status == 503
    else:
        with pytest.raises(aiohttp.ClientError) as raised:
            await session.post(f"https://{API}/x")
        if isinstance(fault, testing.Reset):
            assert getattr(raised.value, "errno", None) == errno.ECONNRESET
    async with (
        aiohttp.ClientSession(
            trust_env=True, connector=aiohttp.TCPConnector(ssl=_trusting(platform))
        ) as again,
        again.post(f"https://{API}/x") as got,
    ):
        assert got.status == 200


async def test_a_connection_that_hangs_behind_the_proxy(
    platform: Platform, session: aiohttp.ClientSession
) -> None:
    platform.next_connections(testing.HalfOpen(), testing.Hang())
    for _ in range(2):
        with pytest.raises(asyncio.TimeoutError):
            await session.post(f"https://{API}/x", timeout=aiohttp.ClientTimeout(0.3))


async def test_an_expired_certificate_strikes_one_connection(
    platform: Platform, session: aiohttp.ClientSession
) -> None:
    platform.on("GET", "/x").reply(json={})
    platform.next_connections(testing.ExpiredCertificate())
    # A connection without a certificate leaves it for one that has.
    async with await RawClient.connect(platform.port) as client:
        assert (await client.request("GET", "/x")).status == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
        await session.get(f"https://{API}/x")
    async with session.get(f"https://{API}/x") as got:
        assert got.status == 200


async def test_no_proxy_is_used_for_this_machine(
    platform: Platform, session: aiohttp.ClientSession
) -> None:
    platform.on("GET", "/x").reply(json={})
    async with session.get(platform.url + "/x") as got:
        assert got.status == 200
    assert (await platform.expect("GET", "/x")).host == "127.0.0.1"


async def test_a_host_that_is_not_played_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with Platform(hosts=(API,)) as platform:
            for name, value in platform.environment.items():
                monkeypatch.setenv(name, value)
            async with aiohttp.ClientSession(trust_env=True) as session:
                with pytest.raises(aiohttp.ClientHttpProxyError):
                    await session.get("https://elsewhere.example/x")

    with pytest.raises(testing.UnexpectedRequests, match=r"elsewhere\.example, which is not in"):
        await test()


async def test_what_is_no_request_of_a_proxy_is_a_complaint() -> None:
    async def test() -> None:
        async with Platform(hosts=(API,)) as platform:
            port = int(platform.environment["HTTP_PROXY"].rpartition(":")[2])
            async with await RawClient.connect(port) as client:
                await client.send(b"garbage\r\n\r\n")
                assert (await client.read_response()).status == 502

    with pytest.raises(testing.UnexpectedRequests, match="to reach b'garbage"):
        await test()


async def test_a_platform_that_is_down_refuses_at_its_hosts_too(
    platform: Platform, session: aiohttp.ClientSession
) -> None:
    platform.on("GET", "/x").reply(json={})
    await platform.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(f"https://{API}/x")
    await platform.start()
    async with session.get(f"https://{API}/x") as got:
        assert got.status == 200


async def test_an_expired_certificate_needs_a_certificate() -> None:
    async with Platform() as platform:
        with pytest.raises(TypeError, match="tls=True or hosts"):
            platform.next_connections(testing.ExpiredCertificate())


async def test_a_platform_with_tls_at_its_own_address() -> None:
    async with Platform(tls=True) as platform:
        assert platform.url.startswith("https://127.0.0.1:")
        assert platform.ws_url.startswith("wss://127.0.0.1:")
        platform.on("GET", "/x").reply(json={})
        async with aiohttp.ClientSession() as session:
            async with session.get(platform.url + "/x", ssl=_trusting(platform)) as got:
                assert got.status == 200
            async with session.ws_connect(platform.ws_url + "/", ssl=_trusting(platform)) as ws:
                await (await platform.connected()).send("hello")
                assert await ws.receive_str() == "hello"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(platform.url + "/x")
