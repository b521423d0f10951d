"""TLS contexts and files, trusted and not trusted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


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


def _server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context
