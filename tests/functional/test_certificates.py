"""A certificate whose files are replaced while the driver's own process serves it."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp.hosts import certificates
from nonebot_aiohttp.hosts.certificates import Certificates
from nonebot_aiohttp.hosts.pem_files import PemFiles
from tests.support.bots import make_driver, new_adapter
from tests.support.certs import (
    RenewedFiles,
    first_request,
    replace_file,
    shown_certificate,
)
from tests.support.client import RawClient
from tests.support.hosts import Host, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@asynccontextmanager
async def served(live: RenewedFiles) -> AsyncIterator[Host]:
    """Serve in the own process."""
    async with own_process(make_driver(new_adapter(), **live.settings)) as host:
        yield host


async def look(host: Host) -> None:
    """Look at the files, as happens every minute."""
    await watch_of(host).look()


def watch_of(host: Host) -> Certificates:
    """Return what looks at the files."""
    found = host.driver._host._server.certificates
    assert isinstance(found, Certificates)
    return found


async def shown(host: Host, live: RenewedFiles) -> Any:
    """Return the number of the certificate that a new connection gets."""
    found = await asyncio.to_thread(shown_certificate, host.port, live.client)
    return found["serialNumber"]


@pytest.mark.promise("life: a renewed certificate is served without a restart, and WebSockets stay")
async def test_new_connections_get_the_new_certificate_and_old_ones_stay(
    live: RenewedFiles, logs: Logs
) -> None:
    async with (
        served(live) as host,
        await RawClient.connect(host.port, ssl_context=live.client) as client,
    ):
        assert (await client.upgrade("/recorder/ws", {"X-Self-ID": "1"})).status == 101
        await eventually(lambda: host.driver.bots)
        former = await shown(host, live)
        live.renew(datetime(2041, 2, 3, 4, 5))
        assert await shown(host, live) == former
        await look(host)
        assert await shown(host, live) != former
        await look(host)
        (line,) = logs.matching("certificate", "INFO")
        assert line.message == (
            f"New connections get the new certificate in {live.cert_file} (aiohttp_ssl_certfile);"
            " its expiry: 2041-02-03 04:05 UTC"
        )
        (bot,) = host.driver.bots.values()
        await bot.send(None, "still here")
        assert (await client.read_message()).payload == b"still here"


async def test_it_is_looked_for_while_the_driver_serves(
    live: RenewedFiles, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LOOK_INTERVAL", 0.01)
    async with served(live) as host:
        former = await shown(host, live)
        live.renew()
        await eventually(lambda: logs.matching("New connections get"))
        assert await shown(host, live) != former
    live.renew()
    assert len(logs.matching("New connections get")) == 1


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", None])
async def test_whatever_a_client_speaks(
    live: RenewedFiles, version: ssl.TLSVersion, name: str | None
) -> None:
    """With a name in the handshake, without one, and with a session of the former certificate."""
    live.client.minimum_version = live.client.maximum_version = version
    live.client.check_hostname = name is not None
    async with served(live) as host:

        async def connect(session: Any = None) -> tuple[dict[str, Any], Any, bool]:
            return await asyncio.to_thread(first_request, host.port, live.client, name, session)

        former, session, was_resumed = await connect()
        assert not was_resumed
        assert (await connect(session))[2]
        live.renew()
        await look(host)
        # A resumed session goes without certificates.
        assert (await connect(session))[2]
        new, *_ = await connect()
        assert new["serialNumber"] != former["serialNumber"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="Windows has links for some users only")
async def test_links_are_followed(tmp_path: Path, live: RenewedFiles) -> None:
    """As Kubernetes and certbot replace files: by a link to another directory."""
    versions = tmp_path / "1", tmp_path / "2"
    for folder in versions:
        live.renew()
        folder.mkdir()
        for path in (live.cert_file, live.key_file):
            shutil.copy2(path, folder)
    mounted, link = tmp_path / "mounted", tmp_path / "link"
    mounted.symlink_to(versions[0])
    live.cert_file, live.key_file = mounted / live.cert_file.name, mounted / live.key_file.name
    async with served(live) as host:
        former = await shown(host, live)
        link.symlink_to(versions[1])
        os.replace(link, mounted)
        await look(host)
        assert await shown(host, live) != former


# Pairs that cannot be used


@pytest.mark.promise("life: a renewed certificate that cannot be used leaves the former one")
@pytest.mark.parametrize("fault", ["missing", "empty", "another", "half", "no PEM"])
@pytest.mark.parametrize("of_key", [True, False], ids=["key", "certificate"])
async def test_the_former_certificate_stays_and_one_line_says_why(
    live: RenewedFiles, logs: Logs, fault: str, of_key: bool
) -> None:
    path = live.key_file if of_key else live.cert_file
    setting = "keyfile" if of_key or fault == "another" else "certfile"
    async with served(live) as host:
        former = await shown(host, live)
        good = path.read_bytes()
        if fault == "missing":
            path.unlink()
        else:
            bad = {"empty": b"", "half": good[:90], "no PEM": b"?" * 5}
            replace_file(path, bad.get(fault, live.issue()[of_key]))
        for _ in range(3):
            await look(host)
        assert await shown(host, live) == former
        (line,) = logs.messages("WARNING")
        assert line.startswith(
            f"The former certificate stays. aiohttp_ssl_{setting}: {path.parent}"
        )
        live.renew()
        await look(host)
        assert await shown(host, live) != former
        assert len(logs.messages("WARNING")) == 1


async def test_each_change_is_said(live: RenewedFiles, logs: Logs) -> None:
    async with served(live) as host:
        good, stat = live.key_file.read_bytes(), live.key_file.stat()
        for content in (b"", b"?", b"?!", b""):
            replace_file(live.key_file, content)
            await look(host)
            await look(host)
        assert len(logs.messages("WARNING")) == 4
        live.key_file.unlink()
        await look(host)
        aside = live.key_file.with_name("aside")
        replace_file(aside, good)
        os.utime(aside, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
        os.replace(aside, live.key_file)
        await look(host)
        live.key_file.unlink()
        await look(host)
        assert len(logs.messages("WARNING")) == 6
        assert not logs.matching("New connections get")


async def test_what_could_not_be_read_is_tried_again_without_a_change(
    live: RenewedFiles, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permissions of a file have no part in when it was written."""
    async with served(live) as host:
        former = await shown(host, live)
        live.renew()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", denied)
            await look(host)
            await look(host)
        (line,) = logs.messages("WARNING")
        assert line.endswith("cannot be read (Permission denied): let the bot's user read it")
        await look(host)
        assert await shown(host, live) != former


def denied(path: Path, *_: Any) -> Any:
    raise PermissionError(13, "Permission denied")


async def test_no_byte_of_a_half_written_pair_breaks_what_is_served(
    live: RenewedFiles, logs: Logs
) -> None:
    certificate, key = live.issue()
    async with served(live) as host:
        former = await shown(host, live)
        watch = watch_of(host)
        replace_file(live.key_file, key)
        for length in range(0, len(certificate) - 1, 7):
            replace_file(live.cert_file, certificate[:length])
            await watch.look()
        assert await shown(host, live) == former
        replace_file(live.cert_file, certificate)
        await watch.look()
        assert await shown(host, live) != former


async def test_files_that_are_being_written_wait_for_the_next_look(
    live: RenewedFiles, logs: Logs
) -> None:
    async with served(live) as host:
        former = await shown(host, live)
        (certificate, key), (other, _) = live.issue(), live.issue()
        replace_file(live.cert_file, certificate, age=0)
        replace_file(live.key_file, key)
        await look(host)
        assert await shown(host, live) == former
        watch_of(host)._clock = lambda: time.time() + 60
        await look(host)
        assert (new := await shown(host, live)) != former

        def written_meanwhile(files: PemFiles, **_: Any) -> Any:
            replace_file(live.cert_file, other)
            return load(files)

        load = PemFiles.load
        with pytest.MonkeyPatch.context() as patch:
            replace_file(live.key_file, b"")
            patch.setattr(PemFiles, "load", written_meanwhile)
            await look(host)
        assert await shown(host, live) == new
    assert logs.messages("WARNING") == []


async def test_what_was_only_touched_is_not_called_new(live: RenewedFiles, logs: Logs) -> None:
    async with served(live) as host:
        os.utime(live.cert_file, (1, 1))
        await look(host)
    assert not logs.matching("New connections get")


# Who reloads


async def test_the_owner_of_a_context_reloads_it(live: RenewedFiles) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(live.cert_file, live.key_file)
    # These settings would be wrong, and are not looked at.
    driver = make_driver(aiohttp_ssl_certfile=str(live.key_file))
    started = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        driver.serve("127.0.0.1", 0, ssl_context=context, started=started.set_result)
    )
    ((_, port),) = await within(started)
    assert driver.status().certificate_expires is None
    assert context.sni_callback is None
    former = await asyncio.to_thread(shown_certificate, port, live.client)
    live.renew()
    context.load_cert_chain(live.cert_file, live.key_file)
    assert await asyncio.to_thread(shown_certificate, port, live.client) != former
    driver.exit()
    await within(serving)


async def test_without_tls_nothing_expires() -> None:
    async with own_process(make_driver()) as host:
        assert host.driver.status().certificate_expires is None
    async with make_driver().lifespan():
        assert host.driver.status().certificate_expires is None
