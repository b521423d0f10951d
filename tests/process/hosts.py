"""The hosts under which a driver runs, and which promise holds under which of them.

``python -m tests.process.hosts`` prints the table of the documentation.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Host:
    """A host.

    Attributes:
        name: Its name, as the table in the documentation has it.
        arguments: The module that runs it, and its arguments; ``{port}`` is where to listen.
        prefix: The path below which the bot is.
        ignored: Filters of warnings that it raises itself.
    """

    name: str
    arguments: tuple[str, ...]
    prefix: str = ""
    ignored: tuple[str, ...] = ()

    def command(self, port: int) -> list[str]:
        return [argument.replace("{port}", str(port)) for argument in self.arguments]


def own_process(**arguments: Any) -> Host:
    """Make the host that calls ``run()`` with arguments; see ``tests.process.bots.own``."""
    return Host("run()", (f"{_BOTS}.own", json.dumps(arguments)))


_BOTS = "tests.process.bots"
_HOSTED = f"{_BOTS}.hosted"
_GUNICORN = ("gunicorn", "-k", "aiohttp.GunicornWebWorker", "-b", "127.0.0.1:{port}")
# aiohttp's worker asks for the current event loop before it makes its own.
_WORKERS_OWN = ("ignore:There is no current event loop:DeprecationWarning",)

RUN = Host("run()", (f"{_BOTS}.own", '{"port": {port}}'))
SERVE = Host("serve()", (f"{_BOTS}.serving", "{port}"))
SUBAPP = Host("add_subapp", (f"{_BOTS}.site", "subapp", "{port}"), "/bots/here")
ATTACH = Host("attach", (f"{_BOTS}.site", "attach", "{port}"))
GUNICORN = Host("gunicorn", (*_GUNICORN, f"{_HOSTED}:server_app"), ignored=_WORKERS_OWN)
TWO_WORKERS = Host(
    "gunicorn -w 2", (*_GUNICORN, "-w", "2", f"{_HOSTED}:server_app"), ignored=_WORKERS_OWN
)
UVICORN = Host("uvicorn", ("uvicorn", "--port", "{port}", f"{_HOSTED}:asgi"))
HYPERCORN = Host("hypercorn", ("hypercorn", "-w", "0", "-b", "127.0.0.1:{port}", f"{_HOSTED}:asgi"))
STARLETTE = Host("Starlette", ("uvicorn", "--port", "{port}", f"{_BOTS}.mounted:app"), "/bots/here")

HOSTS = (RUN, SERVE, SUBAPP, ATTACH, GUNICORN, UVICORN, HYPERCORN, STARLETTE)
"""Those of the table, in its order; Starlette runs under uvicorn."""

_SERVERS_OWN = "the server's own"

PROMISES: dict[str, str] = {
    "startup first": "No event is handled before the startup hooks have ended",
    "port first": "A port in use is found before any startup hook runs",
    "failed start": "A startup hook that fails ends the process, not with 0",
    "undone start": "The shutdown hooks run after a startup hook has failed",
    "forward": "Polling and forward WebSockets run",
    "refusal": "A refused WebSocket handshake gets the adapter's response",
    "body limit": "`aiohttp_max_body_size` bounds a webhook's body",
    "body memory": "`aiohttp_max_body_memory` bounds unfinished bodies together",
    "raw body": "The body arrives as it was sent, compressed or not",
    "sendable": "An adapter's response that cannot be sent is a 500",
    "encoded slash": "An encoded slash in a path separates nothing",
    "unread": "Who sends requests and never reads the answers is dropped",
    "frame limit": "`aiohttp_max_message_size` bounds a WebSocket message",
    "invalid text": "Invalid UTF-8 in a text frame closes with 1007",
    "heartbeat": "`aiohttp_heartbeat` pings WebSockets",
    "probe": "A second connection of a bot whose first one lives gets 409",
    "pages": "With `aiohttp_fastapi=true` plugins' FastAPI pages are served behind the bot's paths",
    "exit": "`driver.exit()` stops the process",
    "drain": "Handlers in flight at the stop end, with API calls over HTTP",
    "matchers": "Events that NoneBot2's matchers handle at the stop end, too",
    "answers": "They get answers to API calls over their WebSockets",
    "busy": "A webhook on an open connection gets 503 meanwhile",
    "going away": "WebSockets close with 1001 after that",
    "hooks in order": "Then disconnect hooks, shutdown hooks in reverse, session closed last",
    "exit code": "SIGTERM ends the process with 0",
}
"""What the driver promises, by short names."""

_SINCE = "since aiohttp "
_AIOHTTP = aiohttp.__version__
_AIOHTTPS_HOSTS = (SUBAPP, ATTACH, GUNICORN)
_ASGI_HOSTS = (UVICORN, HYPERCORN, STARLETTE)

_EXCEPTIONS: dict[str, dict[str, tuple[Host, ...]]] = {
    "failed start": {f"{_SINCE}3.14.2": (GUNICORN,)},
    "port first": {"no": (SUBAPP, ATTACH, UVICORN, STARLETTE)},
    "raw body": {"aiohttp decompresses": _AIOHTTPS_HOSTS},
    "unread": {_SERVERS_OWN: _ASGI_HOSTS},
    "frame limit": {_SERVERS_OWN: _ASGI_HOSTS},
    "invalid text": {"1006": (HYPERCORN,)},
    "heartbeat": {_SERVERS_OWN: _ASGI_HOSTS},
    "probe": {"the newest wins": _ASGI_HOSTS},
    "exit": {"a warning": (*_AIOHTTPS_HOSTS, *_ASGI_HOSTS)},
    "answers": {"closed before": (UVICORN, STARLETTE)},
    "busy": {"closed after that": _AIOHTTPS_HOSTS, "closed": _ASGI_HOSTS},
    "going away": {"1012, before": (UVICORN, STARLETTE), "it waits for them": (HYPERCORN,)},
    "exit code": {"the signal": (UVICORN, STARLETTE)},
}


def exception_to(promise: str, host: Host) -> str | None:
    """Say what holds under a host instead of a promise; None where the promise holds."""
    for instead, hosts in _EXCEPTIONS.get(promise, {}).items():
        if host in hosts:
            return instead
    return None


def holds(promise: str, host: Host) -> bool:
    """Tell whether a promise holds under a host, with the aiohttp that is installed."""
    instead = exception_to(promise, host) or ""
    version = instead.removeprefix(_SINCE)
    return not instead or (version != instead and _numbers(version) <= _numbers(_AIOHTTP))


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def table() -> list[list[str]]:
    """Make the rows of the table in the documentation."""
    rows = [["Promise", *(f"{host.name}" for host in HOSTS)], ["---"] * (len(HOSTS) + 1)]
    for promise, text in PROMISES.items():
        rows.append([text, *(exception_to(promise, host) or "yes" for host in HOSTS)])
    return rows


if __name__ == "__main__":
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in table())
