"""The page on OpenTelemetry: its programs and commands do what it says, and show no secrets."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.docs.commands import Command
from tests.support.bots import make_driver, new_adapter, running
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port
from tests.support.waiting import eventually
from tests.telemetry.faces import APPLICATIONS, nonebot2_driver, serving, standalone
from tests.telemetry.spans import Platform, Spans, traced

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills there")

PAGE = Document(ROOT / "docs" / "telemetry.md")
BOT = Document(ROOT / "docs" / "start" / "nonebot2.md").files["bot.py"]
SECRET = "S3cr3t"
LISTENS = r"(Listening on|Listening at:|running on) http"
HEARTBEAT = {
    "time": 1,
    "self_id": 12345,
    "post_type": "meta_event",
    "meta_event_type": "heartbeat",
    "interval": 1000,
    "status": {"online": True, "good": True},
}
MESSAGE = {
    "time": 1_700_000_000,
    "self_id": 12345,
    "post_type": "message",
    "message_type": "private",
    "sub_type": "friend",
    "message_id": 1,
    "user_id": 20002,
    "message": [{"type": "text", "data": {"text": "/echo hi"}}],
    "raw_message": "/echo hi",
    "font": 0,
    "sender": {"user_id": 20002, "nickname": "friend"},
}
PROJECT = """
[project]
name = "bot"
version = "0.1.0"

[tool.nonebot]
plugin_dirs = []

[tool.nonebot.adapters]

[tool.nonebot.plugins]
"""


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def files(tmp_path: Path) -> Path:
    PAGE.write_files(tmp_path)
    return tmp_path


def exported(output: str) -> list[dict[str, Any]]:
    """Read the spans that a console exporter has written among lines of the log."""
    starts = (found.start() for found in re.finditer(r'^\{\n    "name"', output, re.MULTILINE))
    return [json.JSONDecoder().raw_decode(output[start:])[0] for start in starts]


def of_kind(output: str, kind: str) -> list[dict[str, Any]]:
    return [span for span in exported(output) if span["kind"] == f"SpanKind.{kind}"]


def command(line: str) -> list[str]:
    """Split a command, whose programs are those beside this Python."""
    name, *rest = shlex.split(line)
    return [str(Path(sys.executable).with_name(name)), *rest]


def run(directory: Path, line: list[str], port: int, **environment: str) -> Command:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    fixed = {"HOST": "127.0.0.1", "PORT": str(port), "PATH": path}
    return Command(directory, line, **{**fixed, **environment})


async def post(client: aiohttp.ClientSession, url: str, event: Any) -> int:
    headers = {"X-Self-ID": "12345"}
    async with client.post(f"{url}?access_token={SECRET}", json=event, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("convention", ["", "http"])
async def test_the_bot_writes_its_spans_without_secrets(
    files: Path, client: aiohttp.ClientSession, platform: Platform, convention: str
) -> None:
    port, settings = free_port(), {"OTEL_SEMCONV_STABILITY_OPT_IN": convention}
    settings["ONEBOT_API_ROOTS"] = json.dumps({"12345": platform.url(f"/bot1:{SECRET}/")})
    with run(files, [sys.executable, "bot.py"], port, **settings) as bot:
        await bot.shows(LISTENS)
        assert await post(client, f"http://127.0.0.1:{port}/onebot/v11/", MESSAGE) == 204
        await eventually(lambda: platform.parents)
        bot.stop()
        assert await bot.ended() == 0
        (span,), (call,) = (of_kind(bot.output, kind) for kind in ("SERVER", "CLIENT"))
    # The plugin has called the platform, after all that NoneBot does between.
    assert call["parent_id"] == span["context"]["span_id"]
    assert SECRET not in json.dumps(call)
    assert span["name"] == "POST /onebot/v11/"
    assert span["attributes"]["http.route"] == "/onebot/v11/"
    names = ("url.path", "url.query") if convention else ("http.target", "http.url")
    assert set(names) <= span["attributes"].keys()
    assert SECRET not in json.dumps(span)


@pytest.mark.parametrize("line", ["opentelemetry-instrument python", "opentelemetry-instrument nb"])
async def test_a_bot_is_traced_without_any_code(
    tmp_path: Path, client: aiohttp.ClientSession, line: str
) -> None:
    """Here aiohttp is instrumented before the package is imported."""
    (found,) = re.findall(f"`({line} [^`]*)`", PAGE.prose)
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / ".env").write_text(PAGE.files[".env"])
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    exporters = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    (name,) = re.findall(r"`(OTEL_TRACES_EXPORTER=\w+)`", PAGE.prose)
    exporters["OTEL_TRACES_EXPORTER"] = name.partition("=")[2]
    port = free_port()
    with run(tmp_path, command(found), port, **exporters) as bot:
        await bot.shows(LISTENS)
        assert await post(client, f"http://127.0.0.1:{port}/onebot/v11/", HEARTBEAT) == 204
        bot.stop()
        await bot.ended()
        await bot.shows('"name": "POST') if not of_kind(bot.output, "SERVER") else None
        (span,) = of_kind(bot.output, "SERVER")
    assert span["name"] == "POST /onebot/v11/"
    # As the page says, nothing hides it.
    assert SECRET in span["attributes"]["http.url"]


@pytest.mark.parametrize("line", ["gunicorn", "gunicorn --preload", "uvicorn"])
async def test_what_servers_of_others_run_is_traced(
    files: Path, client: aiohttp.ClientSession, platform: Platform, line: str
) -> None:
    name, *more = line.split()
    port = free_port()
    server = [*command(PAGE.code("sh", f"{name} ")), *more]
    server += ["--bind", f"127.0.0.1:{port}"] if name == "gunicorn" else ["--port", str(port)]
    root = json.dumps({"12345": platform.url("/bot123:S3cr3t")})
    with run(files, server, port, API_ROOT=root, ACCESS_TOKEN="") as process:
        await process.shows(LISTENS)
        event = {"from": "1", "text": "ping"}
        assert await post(client, f"http://127.0.0.1:{port}/my/", event) == 200
        process.stop()
        await process.ended()
        (served,) = of_kind(process.output, "SERVER")
        (call,) = of_kind(process.output, "CLIENT")
    assert (served["name"], call["name"]) == ("POST /my/", "POST")
    assert call["parent_id"] == served["context"]["span_id"]
    assert call["attributes"]["http.url"] == platform.url("/***/send")
    assert SECRET not in json.dumps([served, call])


async def test_connections_that_are_left_out_have_no_span(
    files: Path, client: aiohttp.ClientSession, platform: Platform
) -> None:
    line = PAGE.code("sh", "EXCLUDED_URLS")
    name, value = re.findall(r"(OTEL_\w+)='(.*)' python bot.py", line)[0]
    port = free_port()
    with run(files, [sys.executable, "bot.py"], port, **{name: value}) as bot:
        await bot.shows(LISTENS)
        url, headers = f"http://127.0.0.1:{port}/onebot/v11/", {"X-Self-ID": "12345"}
        async with client.ws_connect(f"{url}ws", headers=headers) as socket:
            await socket.send_json(HEARTBEAT)
            assert await post(client, url, HEARTBEAT) == 204
        bot.stop()
        assert await bot.ended() == 0
        assert [span["name"] for span in of_kind(bot.output, "SERVER")] == ["POST /onebot/v11/"]


async def test_each_event_has_a_span_with_the_adapter_of_the_page(
    files: Path, client: aiohttp.ClientSession, platform: Platform
) -> None:
    code = PAGE.files["served.py"].replace(
        "from my_adapter import MyBot", "from traced_adapter import TracedBot as MyBot"
    )
    (files / "served.py").write_text(code)
    port, root = free_port(), json.dumps({"12345": platform.url("/api")})
    server = [*command(PAGE.code("sh", "gunicorn ")), "--bind", f"127.0.0.1:{port}"]
    with run(files, server, port, API_ROOT=root, ACCESS_TOKEN="") as process:
        await process.shows(LISTENS)
        event = {"from": "1", "text": "ping"}
        assert await post(client, f"http://127.0.0.1:{port}/my/", event) == 200
        process.stop()
        await process.ended()
        (handled,) = of_kind(process.output, "INTERNAL")
        (call,) = of_kind(process.output, "CLIENT")
    assert (handled["name"], handled["parent_id"]) == ("my event", None)
    assert call["parent_id"] == handled["context"]["span_id"]


@pytest.fixture
def tracing(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(files)
    yield importlib.import_module("tracing")
    del sys.modules["tracing"]


async def test_the_exporter_of_the_page_hides_the_urls_in_errors(
    tracing: Any, spans: Spans, platform: Platform
) -> None:
    """Trap: the text of an error may have the URL, and filters of the URL alone leave it."""
    kept = InMemorySpanExporter()
    spans.provider.add_span_processor(SimpleSpanProcessor(tracing.WithoutSecrets(kept)))
    async with running(new_adapter()) as driver:
        session: Any = driver.session
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get(platform.url(f"/bot1:{SECRET}/missing"), raise_for_status=True)
    (shown,), (span,) = spans.clients, kept.get_finished_spans()
    assert SECRET in str((shown.events[0].attributes or {})["exception.message"])
    assert SECRET not in span.to_json()
    assert span.status.description == shown.status.description
    assert (span.start_time, span.end_time) == (shown.start_time, shown.end_time)


def test_the_page_has_the_hosts_that_are_tested() -> None:
    rows = [row[0] for row in PAGE.table("host")]
    # gunicorn is a process, and tested above.
    assert len(rows) == len(APPLICATIONS) + 1


async def test_a_page_of_a_plugin_has_no_path_in_its_name(spans: Spans) -> None:
    driver = nonebot2_driver(aiohttp_fastapi=True)

    async def page(number: int) -> int:
        return number

    driver.server_app.add_api_route("/page/{number}", page)
    async with serving("own_process", driver, spans) as served:
        assert (await served.request("GET", "/page/12")).status == 200
    assert [span.name for span in spans.servers] == ["GET /{target}"]


async def test_a_host_that_is_none_is_answered_by_the_instrumentation(
    spans: Spans, platform: Platform
) -> None:
    """It is not the driver's business: as soon as this fails, the page can leave it out."""
    async with serving("own_process", standalone(platform), spans) as served:
        answer = await served.post(headers=[("Host", "x:y:z"), ("X-Self-ID", "1")])
    assert answer.status == 500
    assert not spans.servers


@pytest.mark.parametrize("left_out", [False, True])
async def test_what_monitors_ask_is_a_span_unless_it_is_left_out(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, left_out: bool
) -> None:
    (paths,) = re.findall(r"`(/livez\S+)`", PAGE.prose)
    if left_out:
        monkeypatch.setenv("OTEL_PYTHON_AIOHTTP_SERVER_EXCLUDED_URLS", paths)
    names = [path.rstrip("$") for path in paths.split(",")]
    with traced() as spans:
        token, port = "token-of-the-operators", free_port()
        driver = make_driver(new_adapter(), aiohttp_ops_port=port, aiohttp_ops_token=token)
        headers = {"Authorization": f"Bearer {token}"}
        async with serving("own_process", driver, spans):
            for name in names:
                url = f"http://127.0.0.1:{port}{name}"
                async with client.get(url, headers=headers) as answer:
                    # Without prometheus-client there are no metrics.
                    assert answer.status in (200, 501)
                    await answer.read()
    assert [span.name for span in spans.servers] == (
        [] if left_out else [f"GET {n}" for n in names]
    )
    assert not any(token in span.to_json() for span in spans.servers)
