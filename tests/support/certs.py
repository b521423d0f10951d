"""TLS contexts and files, trusted and not trusted."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trustme
from trustme import KeyType


@dataclass(frozen=True)
class Tls:
    """Contexts and files of one authority; another one has signed `untrusted_server`."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    untrusted_server: ssl.SSLContext
    wrong_name_server: ssl.SSLContext
    ca_file: Path
    cert_file: Path
    key_file: Path


def make_tls(directory: Path) -> Tls:
    """Make certificates, and write their files into the directory."""
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1", "platform.test")
    tls = Tls(
        server=_server_context(certificate),
        client=ssl.create_default_context(),
        untrusted_server=_server_context(stranger.issue_cert("localhost", "127.0.0.1")),
        wrong_name_server=_server_context(authority.issue_cert("elsewhere.example")),
        ca_file=directory / "ca.pem",
        cert_file=directory / "cert.pem",
        key_file=directory / "key.pem",
    )
    authority.configure_trust(tls.client)
    authority.cert_pem.write_to_path(str(tls.ca_file))
    certificate.private_key_pem.write_to_path(str(tls.key_file))
    for index, pem in enumerate(certificate.cert_chain_pems):
        pem.write_to_path(str(tls.cert_file), append=index > 0)
    return tls


def one_authority() -> Iterator[None]:
    """Have programs that are started load one authority, and not the more than hundred of a system.

    aiohttp loads them twice when it is imported, a fifth of the time in which a bot starts. A
    package of tests that start bots makes a fixture of this.
    """
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder) / "ca.pem"
        trustme.CA().cert_pem.write_to_path(file)
        patch.setenv("SSL_CERT_FILE", str(file))
        patch.setenv("SSL_CERT_DIR", folder)
        yield


def _server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


class RenewedFiles:
    """The files of a certificate and its key, which an authority renews."""

    def __init__(self, directory: Path) -> None:
        """Write the first pair into a directory."""
        self.authority = trustme.CA()
        self.cert_file, self.key_file = directory / "live.pem", directory / "live.key"
        self.client = ssl.create_default_context()
        self.authority.configure_trust(self.client)
        self.renew()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a driver that serves them."""
        return {
            "aiohttp_ssl_certfile": str(self.cert_file),
            "aiohttp_ssl_keyfile": str(self.key_file),
        }

    def issue(
        self, not_after: datetime | None = None, kind: KeyType = KeyType.ECDSA
    ) -> tuple[bytes, bytes]:
        """Return a new certificate and its key in PEM."""
        issued = self.authority.issue_cert(
            "localhost", "127.0.0.1", not_after=not_after, key_type=kind
        )
        return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()

    def renew(self, not_after: datetime | None = None) -> None:
        """Replace both files by those of a new pair."""
        certificate, key = self.issue(not_after)
        replace_file(self.key_file, key)
        replace_file(self.cert_file, certificate)


def replace_file(path: Path, content: bytes, age: float = 10.0) -> None:
    """Replace a file by renaming another one, which was written so many seconds ago."""
    written = path.with_suffix(".new")
    written.write_bytes(content)
    when = time.time() - age
    os.utime(written, (when, when))
    os.replace(written, path)


def shown_certificate(
    port: int, context: ssl.SSLContext, name: str | None = "127.0.0.1"
) -> dict[str, Any]:
    """Connect by TLS, and return the certificate of the server."""
    return first_request(port, context, name)[0]


def first_request(
    port: int, context: ssl.SSLContext, name: str | None, session: Any = None
) -> tuple[dict[str, Any], Any, bool]:
    """Send a request in a connection of its own.

    Returns:
        The server's certificate, the TLS session, and whether that was resumed.
    """
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name, session=session) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: bot.example\r\nConnection: close\r\n\r\n")
        # The server sends the session after the handshake.
        assert secure.recv(4096).startswith(b"HTTP/1.1 404 ")
        certificate = secure.getpeercert()
        assert certificate
        return certificate, secure.session, bool(secure.session_reused)
