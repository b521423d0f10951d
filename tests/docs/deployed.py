"""The bot of the deploying page, and nginx in front of it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.docs.commands import Command, program
from tests.support.certs import RenewedFiles, Tls
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port
from tests.support.waiting import eventually

PAGE = Document(ROOT / "docs" / "deploying.md")
LISTENING = r"Listening on (https?)://\S*?:(\d+|\S+\.sock)"

FILES = PAGE.files


def write_bot(directory: Path, **replaced: str) -> None:
    """Write the page's bot; each replacement is a piece of ``bot.py`` and what stands for it."""
    code = FILES["bot.py"]
    for old, new in replaced.items():
        assert old in code
        code = code.replace(old, new)
    (directory / "my_adapter.py").write_text(FILES["my_adapter.py"], "utf-8")
    (directory / "bot.py").write_text(code, "utf-8")


@asynccontextmanager
async def running_bot(directory: Path, *prefix: str, **environment: str) -> AsyncIterator[Command]:
    """Run ``python bot.py`` behind the prefix of a command, until it listens."""
    port = {"HOST": "127.0.0.1", "PORT": "0"}
    command = [*prefix, sys.executable, "bot.py"]
    with Command(directory, command, **{**port, **environment}) as bot:
        await bot.shows(LISTENING)
        yield bot


def https_settings(port: int, tls: Tls | RenewedFiles) -> str:
    """Return the page's lines of ``.env`` for HTTPS, with our port and certificate."""
    text = FILES["https.env"]
    for old, new in {
        "0.0.0.0": "127.0.0.1",
        "8443": str(port),
        "/etc/ssl/bot.example.org.pem": str(tls.cert_file),
        "/etc/ssl/bot.example.org.key": str(tls.key_file),
    }.items():
        assert old in text
        text = text.replace(old, new)
    return text


async def port_of(bot: Command) -> int:
    """Return the port on which a bot listens."""
    return int((await bot.shows(LISTENING))[2])


_NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
{user}
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/bot.conf;
}}
"""


class Nginx:
    """The real nginx with the page's configuration, on a free port and with our certificate."""

    def __init__(self, directory: Path, tls: Tls, server: str, more: str = "") -> None:
        """Write the configuration; ``server`` is where the bot listens.

        Args:
            more: The file of another page, which is read as well.
        """
        self.port = free_port()
        self._configuration = directory / "nginx.conf"
        # The master may be root, and its workers then cannot read the directory of a test.
        user = "user root;" if os.geteuid() == 0 else ""
        self._configuration.write_text(_NGINX.format(directory=directory, user=user))
        replaced = {
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "server 127.0.0.1:8080;": f"server {server};",
            "/etc/ssl/bot.example.org.pem": str(tls.cert_file),
            "/etc/ssl/bot.example.org.key": str(tls.key_file),
        }
        text = FILES["bot.conf"] + more
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        (directory / "bot.conf").write_text(text)
        self._directory = directory

    def command(self, *arguments: str) -> Command:
        """Run nginx with this configuration and more arguments."""
        path = program("nginx")
        assert path is not None
        given = [path, "-p", str(self._directory), "-c", str(self._configuration), "-e", "stderr"]
        return Command(self._directory, [*given, *arguments])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Nginx]:
        """Run it until the end of the block."""
        with self.command() as nginx:
            # The check of a configuration makes the file, and leaves it empty.
            pid = self._directory / "nginx.pid"
            await eventually(lambda: pid.exists() and pid.read_text(), what="nginx's start")
            yield self
            nginx.stop()
            assert await nginx.ended() == 0, nginx.output

    def url(self, path: str, scheme: str = "https") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"


async def post(
    client: aiohttp.ClientSession, url: str, body: Any = b"{}", tls: Tls | None = None
) -> int:
    """Send a webhook of bot 12345; return the status of the answer."""
    headers = {"X-Self-ID": "12345"}
    async with client.post(url, data=body, headers=headers, ssl=tls.client if tls else True) as got:
        await got.read()
        return got.status
