"""``Certificates``: the certificate of the own process, which is replaced when its files are.

New connections get the new one. A new pair of files is loaded as a whole before it takes the place
of the former one, so that no connection meets half of it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from ..exceptions import ValidationError
from ..life.watching import PeriodicWatch
from ..log.own import logger
from ..options import DriverOptions
from .pem_files import CERTFILE, Certificate, PemFiles, Stamp, UnusableFileError

LOOK_INTERVAL = 60.0
"""Seconds between two looks at the files."""

WRITING_SECONDS = 2.0
"""Files that were written so shortly ago may not be complete; the next look takes them."""

DAY = 86_400.0

WARNED_BEFORE = 14 * DAY
"""The last seconds of a certificate, in which it is time to ask why nobody has renewed it."""

WARNED_PART = 1 / 3
"""The last part of the life of a certificate that lives shortly, and is renewed within days."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Certificates(PeriodicWatch):
    """Looks at the files of a certificate, and serves what they hold.

    Attributes:
        context: The context to serve with. Each handshake takes the present certificate.
    """

    def __init__(self, files: PemFiles, clock: Callable[[], float] = time.time) -> None:
        """Load the files; the clock returns Unix seconds.

        Raises:
            ValidationError: They are not a certificate and its key.
        """
        super().__init__(LOOK_INTERVAL, "the certificate")
        self._files = files
        self._clock = clock
        self._stamp = files.stamp()
        try:
            self._current = files.load(may_ask=True)
        except UnusableFileError as error:
            raise ValidationError({error.setting: error.text}) from None
        self._refused: tuple[Stamp, str] | None = None
        self._warned: tuple[bool, float] | None = None
        self.context = self._current.context
        # Without a name in the handshake OpenSSL calls it, too.
        self.context.sni_callback = self._choose

    @classmethod
    def of(cls, options: DriverOptions) -> Certificates | None:
        """Load the files of the settings; None if there are none.

        Raises:
            ValidationError: They are not a certificate and its key.
        """
        files = PemFiles.of(options)
        return None if files is None else cls(files)

    @property
    def expires(self) -> float | None:
        """Until when the present certificate is valid, in Unix seconds; None if it is unknown."""
        return self._current.expires

    @property
    def renewal_due(self) -> float | None:
        """From when on it is time to ask why nobody has renewed it, in Unix seconds."""
        begins, expires = self._current.begins, self._current.expires
        if begins is None or expires is None:
            return None
        return expires - min(WARNED_BEFORE, (expires - begins) * WARNED_PART)

    def start(self) -> None:
        """Say whether the certificate expires soon, and start looking."""
        self._warn()
        super().start()

    async def look(self) -> None:
        """Take what the files hold now, if they have changed and can be used."""
        # In a thread, because they may be on a file system that hangs.
        found, stamp = await asyncio.get_running_loop().run_in_executor(None, self._read_again)
        if isinstance(found, UnusableFileError):
            self._refuse(found, stamp)
        elif found is not None:
            self._take(found, stamp)
        self._warn()

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Give a connection the present certificate; called within each handshake."""
        connection.context = self._current.context

    def _read_again(self) -> tuple[Certificate | UnusableFileError | None, Stamp]:
        """Load the files if they differ; None while they are being written."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return self._current, stamp
        if self._is_being_written(stamp):
            return None, stamp
        found: Certificate | UnusableFileError
        try:
            found = self._files.load()
        except UnusableFileError as error:
            found = error
        return (found if self._files.stamp() == stamp else None), stamp

    def _is_being_written(self, stamp: Stamp) -> bool:
        now = self._clock()
        return any(0 <= now - each[0] / 1e9 < WRITING_SECONDS for each in stamp if each)

    def _take(self, certificate: Certificate, stamp: Stamp) -> None:
        former, self._current, self._stamp = self._current, certificate, stamp
        self._refused = None
        if certificate.pem == former.pem:
            return
        self._warned = None
        logger.info(
            "New connections get the new certificate in {} ({}); its expiry: {}",
            self._files.certfile,
            CERTFILE,
            self._expiry(),
        )

    def _refuse(self, error: UnusableFileError, stamp: Stamp) -> None:
        """Log what is wrong, once for each change: the files are tried again at each look."""
        # That may help without a change, because permissions have no stamp.
        refused = stamp, str(error)
        if refused != self._refused:
            self._refused = refused
            logger.warning("The former certificate stays. {}", error)

    def _warn(self) -> None:
        """Log once a day that the certificate expires soon, or that it has expired."""
        left, now = self._seconds_left(), self._clock()
        if left is None or not self._is_due(left <= 0, now):
            return
        where = self._files.certfile, CERTFILE, self._expiry()
        if left <= 0:
            logger.error(
                "The certificate in {} ({}) has expired (on {}), and platforms refuse it: renew it"
                " and write it there; no restart is needed",
                *where,
            )
        else:
            logger.warning(
                "The certificate in {} ({}) expires on {}, in {:.1f} days: renew it and write it"
                " there; no restart is needed",
                *where,
                left / DAY,
            )

    def _is_due(self, has_expired: bool, now: float) -> bool:
        if self._warned is not None:
            as_now, when = self._warned
            # The clock may have been set back.
            if as_now == has_expired and 0 <= now - when < DAY:
                return False
        self._warned = has_expired, now
        return True

    def _seconds_left(self) -> float | None:
        """Return for how long the certificate is valid; None if that is long enough or unknown."""
        due, expires, now = self.renewal_due, self._current.expires, self._clock()
        return expires - now if expires is not None and due is not None and due <= now else None

    def _expiry(self) -> str:
        """Write for people when the present certificate expires."""
        if self.expires is None:
            return "unknown"
        # datetime.fromtimestamp() does not take a year after 3000 on Windows.
        return f"{_EPOCH + timedelta(seconds=self.expires):%Y-%m-%d %H:%M} UTC"
