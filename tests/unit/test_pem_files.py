"""The files of a certificate and its key: what is wrong with them, and until when they hold."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from trustme import KeyType

from nonebot_aiohttp.hosts.pem_files import PemFiles, UnusableFileError
from nonebot_aiohttp.options import DriverOptions
from tests.support.certs import RenewedFiles

PASSWORD = b"pass phrase"


@pytest.fixture
def live(tmp_path: Path) -> RenewedFiles:
    """Give a pair of files."""
    return RenewedFiles(tmp_path)


def problem(certificate: bytes | None, key: bytes | None, live: RenewedFiles) -> tuple[str, str]:
    """Write files, or remove them; return the setting that is wrong, and what is said of it."""
    for path, content in ((live.cert_file, certificate), (live.key_file, key)):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
    with pytest.raises(UnusableFileError) as raised:
        PemFiles(live.cert_file, live.key_file).load()
    error = raised.value
    paths = {"aiohttp_ssl_certfile": live.cert_file, "aiohttp_ssl_keyfile": live.key_file}
    assert str(error) == f"{error.setting}: {error.text}"
    assert error.text.startswith(f"{paths[error.setting]} ")
    return error.setting.removeprefix("aiohttp_ssl_"), error.text.partition(" ")[2]


def encrypted(key: bytes, form: PrivateFormat) -> bytes:
    """Encrypt a key."""
    loaded: Any = load_pem_private_key(key, None)
    written: bytes = loaded.private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSWORD))
    return written


@pytest.mark.promise("data: an error names the setting that is wrong, and what to write instead")
def test_each_problem_names_the_setting_the_file_and_what_to_do(live: RenewedFiles) -> None:
    (one, key), (other, others) = live.issue(), live.issue()
    _, rsa = live.issue(kind=KeyType.RSA)
    traditional = PrivateFormat.TraditionalOpenSSL
    der = ssl.PEM_cert_to_DER_cert(one.decode())
    no_certificate = "has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
    broken = "is not complete, or damaged: write the certificates again"
    mismatch = "is the key of another certificate: write the key that belongs to the one in "
    mismatch += str(live.cert_file)
    asked = "is encrypted, and only a start at a terminal asks for the passphrase: write"
    cases: list[tuple[bytes | None, bytes | None, str, str]] = [
        (None, key, "certfile", "does not exist: write it again"),
        (one, None, "keyfile", "does not exist: write it again"),
        (b"", key, "certfile", "is empty: write it again"),
        (one, b"", "keyfile", "is empty: write it again"),
        (one, others, "keyfile", mismatch),
        (one, rsa, "keyfile", mismatch),
        (key, key, "certfile", no_certificate),
        (der, key, "certfile", no_certificate),
        (one, other, "keyfile", "has no private key in PEM: write it there"),
        (one[:-40], key, "certfile", broken),
        (one + other[:-40], key, "certfile", broken),
        (one.replace(b"M", b"!"), key, "certfile", broken),
        (one, key[:-40], "keyfile", "is not complete, or damaged: write the key again"),
        (one, encrypted(key, PrivateFormat.PKCS8), "keyfile", asked),
        (one, encrypted(key, traditional), "keyfile", asked),
    ]
    for certificate, its_key, setting, text in cases:
        found, what = problem(certificate, its_key, live)
        assert found == setting, text
        assert what.startswith(text)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl makes the key")
def test_a_key_that_is_too_short_is_not_called_damaged(live: RenewedFiles) -> None:
    command = "req -x509 -newkey rsa:512 -nodes -subj /CN=bot -keyout short.key -out short.pem"
    folder = live.cert_file.parent
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    short, key = (folder / "short.pem").read_bytes(), (folder / "short.key").read_bytes()
    setting, text = problem(short, key, live)
    assert (setting, text) == (
        "certfile",
        "is refused by OpenSSL (ee key too small): get another one",
    )


def test_one_file_may_hold_both(live: RenewedFiles) -> None:
    certificate, key = live.issue()
    live.cert_file.write_bytes(key + certificate)
    assert PemFiles(live.cert_file, None).load().expires
    live.cert_file.write_bytes(certificate)
    with pytest.raises(UnusableFileError, match="write it there, or set aiohttp_ssl"):
        PemFiles(live.cert_file, None).load()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_not_waited_for(live: RenewedFiles) -> None:
    live.key_file.unlink()
    os.mkfifo(live.key_file)
    with pytest.raises(UnusableFileError, match=r"live\.key is not a file that can be read"):
        PemFiles(live.cert_file, live.key_file).load()


def test_files_are_found_after_the_program_has_changed_its_directory(
    live: RenewedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"ssl_certfile": live.cert_file.name, "ssl_keyfile": live.key_file.name}
    files = PemFiles.of(DriverOptions.parse(given))
    assert files is not None
    monkeypatch.chdir("/")
    assert files.load().expires
    assert PemFiles.of(DriverOptions.parse({})) is None


# Expiry


def test_the_dates_of_the_first_certificate_are_known(live: RenewedFiles) -> None:
    """Trap: nothing public in the standard library reads them from a file."""
    expires = datetime(2041, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    live.renew(not_after=expires.replace(tzinfo=None))
    with live.cert_file.open("ab") as file:
        file.write(live.issue()[0])
    found = PemFiles(live.cert_file, live.key_file).load()
    assert found.expires == expires.timestamp()
    assert found.begins is not None
    assert found.begins < found.expires


@pytest.mark.parametrize("decode", [None, lambda path: {}, lambda path: 1 / 0])
def test_unknown_dates_do_no_harm(
    live: RenewedFiles, monkeypatch: pytest.MonkeyPatch, decode: Any
) -> None:
    private: Any = getattr(ssl, "_ssl")  # noqa: B009
    if decode is None:
        monkeypatch.delattr(private, "_test_decode_cert")
    else:
        monkeypatch.setattr(private, "_test_decode_cert", decode)
    found = PemFiles(live.cert_file, live.key_file).load()
    assert (found.begins, found.expires) == (None, None)
