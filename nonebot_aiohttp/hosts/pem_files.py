"""``PemFiles``: the files of a certificate and its key, and what is wrong with them."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..options import DriverOptions

CERTFILE, KEYFILE = "aiohttp_ssl_certfile", "aiohttp_ssl_keyfile"

Stamp = tuple[Any, ...]
"""What of files changes when they are replaced or written; None in it is a file that is missing."""

_MOST_BYTES = 1024 * 1024
"""So much of a file is searched for PEM."""

_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.M)

# The last one is OpenSSL 3's for a key of another type, such as RSA with a certificate for EC.
_MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}


class UnusableFileError(Exception):
    """A file cannot be used; the text says why, and what to do.

    Attributes:
        setting: The setting that names the file.
        text: Names the file.
    """

    def __init__(self, setting: str, path: Path, text: str) -> None:
        self.setting = setting
        self.text = f"{path} {text}"
        super().__init__(f"{setting}: {self.text}")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, as they were loaded.

    Attributes:
        context: A TLS context for servers, which has both.
        pem: The beginning of the certificate's file.
        begins: Since when it is valid, in Unix seconds; None if that is unknown.
        expires: Until when it is valid; None if that is unknown.
    """

    context: ssl.SSLContext
    pem: bytes
    begins: float | None
    expires: float | None


@dataclass(frozen=True)
class PemFiles:
    """The files that the settings name; without ``keyfile`` the certificate's file has the key."""

    certfile: Path
    keyfile: Path | None

    @classmethod
    def of(cls, options: DriverOptions) -> PemFiles | None:
        """Return the files of the settings; None if these name no certificate."""
        if options.ssl_certfile is None:
            return None
        # The program may change its working directory. Links are followed at each look.
        keyfile = options.ssl_keyfile
        return cls(options.ssl_certfile.absolute(), keyfile and keyfile.absolute())

    def stamp(self) -> Stamp:
        """Return what changes when one of the files does; symbolic links are followed."""
        return _stamp(self.certfile), _stamp(self._key_path)

    def load(self, *, may_ask: bool = False) -> Certificate:
        """Load both files.

        Args:
            may_ask: Whether OpenSSL may ask for the key's passphrase at the terminal.

        Raises:
            UnusableFileError: They are not a certificate and its key.
        """
        pem = _read(CERTFILE, self.certfile)
        key = _read(self._key_setting, self._key_path)
        self._search(pem, key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password OpenSSL would ask at the terminal, and block the process meanwhile.
            context.load_cert_chain(self.certfile, self.keyfile, None if may_ask else _no_password)
        except OSError as error:
            raise self._problem(error, key) from None
        return Certificate(context, pem, *_dates(self.certfile))

    @property
    def _key_setting(self) -> str:
        return CERTFILE if self.keyfile is None else KEYFILE

    @property
    def _key_path(self) -> Path:
        return self.keyfile or self.certfile

    def _search(self, pem: bytes, key: bytes) -> None:
        """Search the files for what they should have."""
        if not _CERTIFICATE.search(pem):
            text = "has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
            raise UnusableFileError(CERTFILE, self.certfile, text)
        if not _KEY.search(key):
            text = "has no private key in PEM: write it there"
            if self.keyfile is None:
                text = "has no private key in PEM: write it there, or set aiohttp_ssl_keyfile"
            raise self._wrong_key(text)

    def _problem(self, error: OSError, key: bytes) -> UnusableFileError:
        """Find out which file OpenSSL has refused, which it does not tell."""
        reason = getattr(error, "reason", None)
        if reason in _MISMATCHES:
            return self._wrong_key(
                "is the key of another certificate: write the key that belongs to the one in"
                f" {self.certfile}"
            )
        if not _is_whole(self.certfile):
            text = "is not complete, or damaged: write the certificates again"
            return UnusableFileError(CERTFILE, self.certfile, text)
        if _ENCRYPTED.search(key):
            return self._wrong_key(
                "is encrypted, and only a start at a terminal asks for the passphrase: write the"
                " key without one, as openssl pkey -in OLD -out NEW does"
            )
        if reason and getattr(error, "library", None) == "SSL":
            why = reason.lower().replace("_", " ")
            text = f"is refused by OpenSSL ({why}): get another one"
            return UnusableFileError(CERTFILE, self.certfile, text)
        return self._wrong_key("is not complete, or damaged: write the key again")

    def _wrong_key(self, text: str) -> UnusableFileError:
        return UnusableFileError(self._key_setting, self._key_path, text)


def _no_password() -> str:
    raise OSError


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _read(setting: str, path: Path) -> bytes:
    """Read the beginning of a file; raise ``UnusableFileError`` if it is empty or unreadable."""
    try:
        # A pipe would block until somebody writes into it.
        if path.exists() and not path.is_file():
            raise UnusableFileError(setting, path, "is not a file that can be read")
        with path.open("rb") as file:
            found = file.read(_MOST_BYTES)
    except FileNotFoundError:
        raise UnusableFileError(setting, path, "does not exist: write it again") from None
    except OSError as error:
        text = f"cannot be read ({error.strerror or error}): let the bot's user read it"
        raise UnusableFileError(setting, path, text) from None
    if not found:
        raise UnusableFileError(setting, path, "is empty: write it again")
    return found


def _is_whole(certfile: Path) -> bool:
    """Tell whether all certificates of a file can be read."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(os.fspath(certfile))
    except OSError:
        return False
    return True


def _dates(certfile: Path) -> tuple[float | None, float | None]:
    """Return since when and until when the first certificate of a file is valid, if it can be read.

    Nothing else in the standard library reads the dates of a certificate without a connection. It
    is private, and CPython's own tests use it. So its failure must not harm anything.
    """
    try:
        decode = getattr(ssl, "_ssl")._test_decode_cert  # noqa: B009
        found = decode(os.fspath(certfile))
        begins, expires = found["notBefore"], found["notAfter"]
        return ssl.cert_time_to_seconds(begins), ssl.cert_time_to_seconds(expires)
    except Exception:
        return None, None
