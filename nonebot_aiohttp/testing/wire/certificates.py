"""The kit's own certificate authority, which only bots under test trust."""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

_LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)


class Certificates:
    """Certificates for the hosts that a platform plays, valid ones and expired ones.

    Attributes:
        ca_file: The certificate of the authority in PEM.
        context: What a server shows: a valid certificate.
        expired: The same with an expired one.
    """

    def __init__(self, hosts: tuple[str, ...]) -> None:
        """Take the hosts.

        Raises:
            ModuleNotFoundError: trustme, which the extra ``testing`` brings, is not installed.
        """
        try:
            import trustme
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "a platform that speaks TLS makes certificates with trustme: "
                'pip install "nonebot-aiohttp[testing]"',
                name="trustme",
            ) from error
        authority = trustme.CA()
        names = ("127.0.0.1", "localhost", *hosts)
        self.expired = _context(authority.issue_cert(*names, not_after=_LONG_AGO))
        self.context = _context(authority.issue_cert(*names))
        handle, name = tempfile.mkstemp(suffix=".pem", prefix="nonebot-testing-ca-")
        os.close(handle)
        self.ca_file = Path(name)
        authority.cert_pem.write_to_path(name)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a bot trusts this authority alone.

        ``SSL_CERT_FILE`` is OpenSSL's own, which aiohttp, websockets and httpx obey; this driver
        has a setting of its own.
        """
        return {"SSL_CERT_FILE": str(self.ca_file), "AIOHTTP_SSL_CAFILE": str(self.ca_file)}

    def close(self) -> None:
        """Remove the file."""
        self.ca_file.unlink(missing_ok=True)


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context
