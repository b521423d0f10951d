"""The hosts under which a driver runs, and which promise holds under which of them.

``python -m tests.process.hosts`` prints the table of the documentation.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Host:
    """Where a driver runs, and the command that starts it there.

    Attributes:
        name: The head of its column in the table.
        arguments: The module to run and its arguments; ``{port}`` stands for the port.
        prefix: The path below which the bot is served.
        ignored: Filters for the warnings that the host itself raises.
        descriptors: The file descriptors that it inherits.
    """

    name: str
    arguments: tuple[str, ...]
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    descriptors: tuple[int, ...] = ()

    def command(self, port: int) -> list[str]:
        return [argument.replace("{port}", str(port)) for argument in self.arguments]


def own_process(**arguments: Any) -> Host:
    """Make the host that calls ``run()`` with arguments; see ``tests.process.bots.own``."""
    return Host("run()", (f"{_BOTS}.own", json.dumps(arguments)))


def activated(sockets: Mapping[str, socket.socket], **arguments: Any) -> Host:
    """Make the host that calls ``run()`` with sockets of systemd, whose names may be empty."""
    descriptors = tuple(each.fileno() for each in sockets.values())
    given = (":".join(sockets), ",".join(map(str, descriptors)))
    program = ("-m", f"{_BOTS}.own", json.dumps(arguments))
    return Host("run()", (f"{_BOTS}.activated", *given, *program), descriptors=descriptors)


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
"""The columns of the table, in their order; Starlette runs under uvicorn."""

_SERVER_DECIDES = "the server decides"

PROMISES: dict[str, str] = {
    "startup first": "No event is handled before the startup hooks have ended",
    "port first": "A port in use is found before any startup hook runs",
    "failed start": "A startup hook that fails ends the process with another code than 0",
    "undone start": "The shutdown hooks run after a startup hook has failed",
    "forward": "Polling and forward WebSockets run",
    "refusal": "A refused WebSocket handshake gets the adapter's response",
    "body limit": "`aiohttp_max_body_size` bounds a webhook's body",
    "body memory": "`aiohttp_max_body_memory` bounds all unfinished bodies together",
    "raw body": "An adapter gets the body as it was sent, compressed or not",
    "sendable": "An adapter's response that cannot be sent becomes a 500",
    "encoded slash": "An encoded slash does not separate parts of a path",
    "unread": "A peer that sends requests and never reads the answers is dropped",
    "frame limit": "`aiohttp_max_message_size` bounds the size of a WebSocket message",
    "invalid text": "Invalid UTF-8 in a text frame closes with 1007",
    "heartbeat": "`aiohttp_heartbeat` pings WebSockets",
    "probe": "A second connection of a bot gets 409 while the first one is alive",
    "pages": "With `aiohttp_fastapi=true` plugins' FastAPI pages are served behind the bot's paths",
    "exit": "`driver.exit()` stops the process",
    "drain": "At the stop handlers in flight finish, and can call APIs over HTTP",
    "matchers": "At the stop NoneBot2's matchers finish the events that they handle, too",
    "answers": "Both get answers to API calls over their WebSockets",
    "busy": "Meanwhile a webhook on an open connection gets 503",
    "going away": "After that WebSockets are closed with 1001",
    "hooks in order": "Then disconnect hooks run, shutdown hooks in reverse, and the session ends",
    "exit code": "SIGTERM ends the process with exit code 0",
    "operators": "`aiohttp_ops_port` answers from before the startup hooks to the end of the stop",
    "operators' port": "If that port is in use the start fails",
}
"""The rows of the table; the tests use the short names."""

_SINCE = "since aiohttp "
_AIOHTTP = aiohttp.__version__
_AIOHTTPS_HOSTS = (SUBAPP, ATTACH, GUNICORN)
_ASGI_HOSTS = (UVICORN, HYPERCORN, STARLETTE)

_EXCEPTIONS: dict[str, dict[str, tuple[Host, ...]]] = {
    "failed start": {f"{_SINCE}3.14.2": (GUNICORN,)},
    "port first": {"no": (SUBAPP, ATTACH, UVICORN, STARLETTE)},
    "raw body": {"aiohttp decompresses": _AIOHTTPS_HOSTS},
    "unread": {_SERVER_DECIDES: _ASGI_HOSTS},
    "frame limit": {_SERVER_DECIDES: _ASGI_HOSTS},
    "invalid text": {"1006": (HYPERCORN,)},
    "heartbeat": {_SERVER_DECIDES: _ASGI_HOSTS},
    "probe": {"the new one replaces it": _ASGI_HOSTS},
    "exit": {"only a warning": (*_AIOHTTPS_HOSTS, *_ASGI_HOSTS)},
    "answers": {"closed earlier": (UVICORN, STARLETTE)},
    "busy": {"closed at the end": _AIOHTTPS_HOSTS, "closed at once": _ASGI_HOSTS},
    "going away": {"1012, earlier": (UVICORN, STARLETTE), "waits for the clients": (HYPERCORN,)},
    "exit code": {"ended by the signal": (UVICORN, STARLETTE)},
    "operators' port": {"a warning": (*_AIOHTTPS_HOSTS, *_ASGI_HOSTS)},
}


def exception_to(promise: str, host: Host) -> str | None:
    """Say what a host does instead of keeping a promise; None where the promise holds."""
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
    """Make the table in the documentation: a head, a line of dashes, a row for each promise."""
    rows = [["Promise", *(f"{host.name}" for host in HOSTS)], ["---"] * (len(HOSTS) + 1)]
    for promise, text in PROMISES.items():
        rows.append([text, *(exception_to(promise, host) or "yes" for host in HOSTS)])
    return rows


if __name__ == "__main__":
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in table())
