"""When the log says that a certificate expires, and what is known of it."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from nonebot_aiohttp.hosts.certificates import DAY, Certificates
from nonebot_aiohttp.hosts.pem_files import PemFiles
from tests.functional.test_certificates import look, served, watch_of
from tests.support.certs import RenewedFiles
from tests.support.logs import Logs

pytestmark = pytest.mark.both_loops


class Calendar:
    """A clock for days."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1).timestamp()

    def clock(self) -> float:
        """Return Unix seconds."""
        return self.now

    def date(self, days: float) -> datetime:
        """Return when so many days have passed, in UTC."""
        return datetime(1970, 1, 1) + timedelta(seconds=self.now + days * DAY)


def watch_at(live: RenewedFiles, calendar: Calendar) -> Certificates:
    """Load the files; nothing looks at them by itself."""
    return Certificates(PemFiles(live.cert_file, live.key_file), calendar.clock)


@pytest.mark.promise(
    "life: an expiry of the certificate is logged once a day from two weeks before"
)
async def test_the_expiry_is_said_once_a_day(live: RenewedFiles, logs: Logs) -> None:
    calendar = Calendar()
    live.renew(calendar.date(16))
    watch = watch_at(live, calendar)
    for _ in range(18 * 24):
        await watch.look()
        calendar.now += DAY / 24
    warnings, errors = logs.messages("WARNING"), logs.messages("ERROR")
    assert len(warnings) == 14
    assert len(errors) == 2
    date = f"{calendar.date(-2):%Y-%m-%d %H:%M} UTC"
    subject = f"The certificate in {live.cert_file} (aiohttp_ssl_certfile)"
    advice = "renew it and write it there; no restart is needed"
    assert warnings[0] == f"{subject} expires on {date}, in 14.0 days: {advice}"
    assert f"{subject} expires on {date}, in 1.0 days: {advice}" in warnings
    assert errors[0] == f"{subject} has expired (on {date}), and platforms refuse it: {advice}"


async def test_it_is_said_at_the_start(live: RenewedFiles, logs: Logs) -> None:
    calendar = Calendar()
    calendar.now = time.time()
    live.renew(calendar.date(0.6))
    async with served(live) as host:
        (line,) = logs.messages("WARNING")
        assert ", in 0.6 days: renew it" in line
        assert host.driver.status().certificate_expires == watch_of(host).expires
        live.renew(datetime(2041, 1, 1))
        await look(host)
        assert host.driver.status().certificate_expires == 2240611200.0
        assert host.driver.status().certificate_expires == 2240611200.0
    assert host.driver.status().certificate_expires is None
    assert len(logs.messages("WARNING")) == 1


async def test_an_expired_certificate_is_served_and_said_at_the_start(
    live: RenewedFiles, logs: Logs
) -> None:
    live.renew(datetime(2020, 1, 1))
    async with served(live):
        (line,) = logs.messages("ERROR")
    assert "has expired (on 2020-01-01 00:00 UTC), and platforms refuse it: renew it" in line


async def test_a_renewed_certificate_that_expires_soon_is_said_at_once(
    live: RenewedFiles, logs: Logs
) -> None:
    calendar = Calendar()
    live.renew(calendar.date(5))
    watch = watch_at(live, calendar)
    for _ in range(2):
        await watch.look()
    live.renew(calendar.date(6))
    for _ in range(2):
        await watch.look()
    assert [line.rpartition("in ")[2][:8] for line in logs.messages("WARNING")] == [
        "5.0 days",
        "6.0 days",
    ]


async def test_a_certificate_of_a_few_days_is_said_in_its_last_third(
    live: RenewedFiles, logs: Logs
) -> None:
    """Certificates of six days, or of one, would else be warned of all the time."""
    calendar = Calendar()
    live.renew(calendar.date(6))
    watch = watch_at(live, calendar)
    watch._current = replace(watch._current, begins=calendar.now)
    calendar.now += 3.9 * DAY
    await watch.look()
    assert not logs
    calendar.now += 0.2 * DAY
    await watch.look()
    assert len(logs.messages("WARNING")) == 1


async def test_a_clock_that_was_set_back_does_not_silence_it(
    live: RenewedFiles, logs: Logs
) -> None:
    calendar = Calendar()
    live.renew(calendar.date(5))
    watch = watch_at(live, calendar)
    await watch.look()
    calendar.now -= 3 * DAY
    await watch.look()
    assert len(logs.messages("WARNING")) == 2


async def test_an_unknown_expiry_is_said_to_be_unknown(
    live: RenewedFiles, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(getattr(ssl, "_ssl"), "_test_decode_cert")  # noqa: B009
    async with served(live) as host:
        assert host.driver.status().certificate_expires is None
        live.renew()
        await look(host)
    (line,) = logs.matching("New connections get")
    assert line.message.endswith("; its expiry: unknown")
    assert not logs.messages("WARNING")
