"""Which proxy leads to a URL, and which text names one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from nonebot_aiohttp.connections import proxies
from nonebot_aiohttp.connections.proxies import NoProxy, Proxies, UnusableProxy, is_loopback
from nonebot_aiohttp.settings.proxy import proxy_problem, read_proxy

SECRET = "s3cr3t-T0ken"


# read_proxy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        (" https://proxy/ ", "https://proxy/"),
        ("127.0.0.1:7890", "http://127.0.0.1:7890"),
        ("proxy.example:7890", "http://proxy.example:7890"),
        ("user:word@proxy:1", "http://user:word@proxy:1"),
        ("proxy", "http://proxy"),
        ("[::1]:7890", "http://[::1]:7890"),
        ("socks5://127.0.0.1:7891", "socks5://127.0.0.1:7891"),
        # Names are resolved at the proxy anyway.
        ("socks5h://user:word@proxy:7891", "socks5://user:word@proxy:7891"),
        ("SOCKS5://proxy:1", "socks5://proxy:1"),
        # As desktops write it.
        ("socks://127.0.0.1:7891/", "socks5://127.0.0.1:7891/"),
        ("socks5://proxy", "socks5://proxy:1080"),
    ],
)
def test_a_text_that_names_a_proxy(text: str, expected: str) -> None:
    assert read_proxy(text) == URL(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        f"ftp://user:{SECRET}@proxy",
        f"socks4://user:{SECRET}@proxy",
        f"http://user:{SECRET}@127.0.0.1:port",
        f"user:{SECRET}@127.0.0.1:port",
        "http://[",
    ],
)
def test_a_text_that_does_not_name_a_proxy_is_a_problem(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a valid URL|a URL of") as caught:
        read_proxy(text)
    assert proxy_problem(text) == str(caught.value)
    assert SECRET not in str(caught.value)


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    assert proxy_problem(text) != ""


def test_a_socks_proxy_without_the_extra_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonebot_aiohttp.settings.proxy.HAS_SOCKS", False)
    problem = proxy_problem(f"socks5://user:{SECRET}@proxy:1080")
    assert problem == 'a SOCKS proxy needs the extra: pip install "nonebot-aiohttp[socks]"'


# The environment's


@pytest.mark.promise("forward: proxies of the environment and of the setting are honoured")
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
        # This machine.
        ("http://localhost:8080", None),
        ("http://bot.localhost", None),
        ("ws://127.0.0.1:6700", None),
        ("http://127.1.2.3", None),
        ("http://[::1]:8080", None),
    ],
)
def test_the_proxy_of_a_url(
    url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://plain:1")
    monkeypatch.setenv("https_proxy", "http://tls:2")
    monkeypatch.setenv("ALL_PROXY", "socks5://all:3")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    assert Proxies(None).of_url(URL(url)) == (URL(expected) if expected else None)
    # The setting's counts for everything.
    assert Proxies("socks5h://own:3").of_url(URL(url)) == URL("socks5://own:3")


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy"])
def test_all_proxy_counts_where_the_scheme_has_no_proxy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "socks5://all:3")
    monkeypatch.setenv("HTTP_PROXY", "plain:1")
    found = Proxies(None)
    assert found.of_url(URL("http://example.org")) == URL("http://plain:1")
    for url in ("https://example.org", "wss://example.org"):
        assert found.of_url(URL(url)) == URL("socks5://all:3")


@pytest.mark.promise("forward: a named proxy is used or is an error, and never bypassed")
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", [f"socks4://user:{SECRET}@proxy", f"http://{SECRET}:port"])
def test_a_proxy_that_cannot_be_used_is_never_passed_by(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: a proxy that cannot be used must not become a direct connection."""
    monkeypatch.setenv(name, value)
    found = Proxies(None)
    assert found.of_url(URL("http://localhost")) is None
    with pytest.raises(UnusableProxy, match=name) as caught:
        found.of_url(URL("http://example.org"))
    assert SECRET not in str(caught.value)


def test_the_environment_is_read_once_for_each_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    url, found = URL("http://example.org"), Proxies(None)
    assert found.of_url(url) is None
    monkeypatch.setenv("HTTP_PROXY", "http://new:1")
    assert found.of_url(url) is None
    found.forget_environment()
    assert found.of_url(url) == URL("http://new:1")


def test_the_systems_own_exceptions_count_where_the_environment_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Windows and macOS have settings of proxies."""
    monkeypatch.setattr(proxies, "getproxies", lambda: {"http": "http://system:1"})
    monkeypatch.setattr(proxies, "proxy_bypass", lambda host: host == "printer.example")
    found = Proxies(None)
    assert found.of_url(URL("http://printer.example")) is None
    assert found.of_url(URL("http://example.org")) == URL("http://system:1")


# NO_PROXY

EXCEPTIONS = [
    ("host.example:8080", "http://host.example:8080", True),
    ("host.example:8080", "http://host.example", False),
    ("host.example:80", "http://host.example/path", True),
    ("host.example:443", "wss://host.example", True),
    ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080", True),
    ("[2001:db8::1]:8080", "http://[2001:db8::1]", False),
    ("[2001:db8::1]", "http://[2001:db8::1]:9", True),
    ("2001:db8::1", "http://[2001:db8:0::1]:9", True),
    ("2001:db8::/32", "http://[2001:db8:ffff::1]", True),
    ("10.0.0.0/8", "http://10.9.8.7:1234", True),
    ("10.0.0.0/8", "http://11.0.0.1", False),
    ("10.1.2.3/8", "http://10.0.0.1", True),
    ("192.0.2.1", "http://192.0.2.1:81", True),
    ("192.0.2.1:80", "http://192.0.2.1:81", False),
    ("10.0.0.0/8", "http://ten.example", False),
    ("example.org", "http://example.org", True),
    ("example.org", "http://api.example.org", True),
    (".example.org", "http://api.example.org", True),
    (".example.org", "http://example.org", True),
    ("*.example.org", "http://api.example.org", True),
    ("example.org", "http://badexample.org", False),
    ("EXAMPLE.org", "http://api.Example.ORG.", True),
    ("https://example.org", "http://example.org", True),
    ("xn--fsqu00a.example", "http://例子.example", True),
    ("例子.example", "http://xn--fsqu00a.example", True),
    ("one.example, two.example", "http://two.example", True),
    ("one.example two.example", "http://two.example", True),
    ("*", "http://example.org", True),
    ("", "http://example.org", False),
    (" ,, ", "http://example.org", False),
    (".", "http://example.org", False),
    ("]:[", "http://example.org", False),
]


@pytest.mark.parametrize(("text", "url", "expected"), EXCEPTIONS)
def test_no_proxy(text: str, url: str, expected: bool) -> None:
    assert NoProxy.parse(text).includes(URL(url)) is expected


@given(st.text(), st.sampled_from([url for _, url, _ in EXCEPTIONS]))
def test_no_text_of_exceptions_breaks_anything(text: str, url: str) -> None:
    NoProxy.parse(text).includes(URL(url))


def test_loopback() -> None:
    assert not is_loopback("localhost.example")
    assert is_loopback("LOCALHOST.")
