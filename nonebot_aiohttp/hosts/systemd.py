"""systemd, which may start the own process: the sockets that it gives, and what it is told.

The protocols are those of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from ..exceptions import StartupError
from ..log.own import logger
from ..log.redaction import describe, loggable

FIRST_DESCRIPTOR = 3
"""The first file descriptor that systemd hands over; the others follow it."""

OPERATIONS = "operations"
"""The ``FileDescriptorName=`` of sockets on which only operators are served."""

LOOK_PAUSE = 3.0
"""Seconds between two looks at whether the status has changed."""

RETRY_PAUSE = 1.0
"""Seconds until what systemd could not take is sent again."""

STOP_MARGIN = 5.0
"""Seconds of a stop, beyond the driver's own limits, until the process has ended."""

_FOR_NOTIFYING = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_FOR_LISTENING = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

Counts = Callable[[], tuple[int, int | None]]
"""Counts the connected bots and the events in flight; None where these are too many to count."""


@contextmanager
def supervision(counts: Counts) -> Iterator[Systemd]:
    """Take over what systemd has put into the environment, which child processes inherit.

    The sockets are taken for good. A later ``run()`` of this process may notify again.
    """
    kept = {name: os.environ.pop(name) for name in _FOR_NOTIFYING if name in os.environ}
    listening = {name: os.environ.get(name, "") for name in _FOR_LISTENING}
    descriptors = given_descriptors(listening, os.getpid())
    for name in _FOR_LISTENING if descriptors else ():
        os.environ.pop(name, None)
    for descriptor in descriptors:
        with suppress(OSError):
            os.set_inheritable(descriptor, False)
    systemd = Systemd(kept, descriptors, counts)
    try:
        yield systemd
    finally:
        systemd.close()
        os.environ.update(kept)


def given_descriptors(environment: Mapping[str, str], process: int) -> dict[int, str]:
    """Return the names of the descriptors that systemd has given to a process, by their numbers."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(process) or not count.isdecimal():
        return {}
    numbers = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    if len(names) != len(numbers):
        names = ["unknown"] * len(numbers)
    return dict(zip(numbers, names, strict=True))


def watchdog_pause(environment: Mapping[str, str], process: int) -> float | None:
    """Return the seconds between two keep-alives, half of what systemd waits; None for none."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(process)) != str(process):
        return None
    is_set = microseconds.isdecimal() and int(microseconds) > 0
    return int(microseconds) / 2_000_000 if is_set else None


class GivenSockets:
    """The listening sockets that systemd has given to this process; each is handed out once.

    Attributes:
        for_public: Whether there are any for the bot itself.
    """

    def __init__(self, descriptors: Mapping[int, str]) -> None:
        self.for_public = any(name != OPERATIONS for name in descriptors.values())
        self._descriptors = dict(descriptors)

    def public(self) -> list[socket.socket]:
        """Hand out the sockets on which the bot serves: all but those for operators.

        Raises:
            StartupError: One of them cannot be listened on.
        """
        return self._hand_out(lambda name: name != OPERATIONS)

    def named(self, name: str) -> list[socket.socket]:
        """Hand out the sockets with a name, which is ``FileDescriptorName=`` of their unit.

        Raises:
            StartupError: One of them cannot be listened on.
        """
        return self._hand_out(name.__eq__)

    def _hand_out(self, is_wanted: Callable[[str], bool]) -> list[socket.socket]:
        sockets: list[socket.socket] = []
        try:
            for number, name in list(self._descriptors.items()):
                if is_wanted(name):
                    del self._descriptors[number]
                    sockets.append(_listening(number, name))
        except BaseException:
            for each in sockets:
                each.close()
            raise
        return sockets


def _listening(number: int, name: str) -> socket.socket:
    what = f"The descriptor {number} of systemd ({loggable(name)})"
    try:
        given = socket.socket(fileno=number)
    except OSError as error:
        text = (
            f"is not a socket ({error.strerror or error}): write only ListenStream= into its unit"
        )
        raise StartupError(f"{what} {text}") from None
    problem = ""
    if given.type != socket.SOCK_STREAM:
        problem = "is not a stream socket: write ListenStream= into its unit"
    elif not given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        problem = "does not listen: remove Accept=yes from its unit"
    if problem:
        given.close()
        raise StartupError(f"{what} {problem}")
    given.setblocking(False)
    return given


class Systemd:
    """systemd as one ``run()`` sees it; without systemd it does nothing.

    Attributes:
        sockets: What it has given to listen on.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        descriptors: Mapping[int, str] | None = None,
        counts: Counts = lambda: (0, 0),
    ) -> None:
        """Take the environment variables and the descriptors; ``counts`` is for the status."""
        environment = environment or {}
        self.sockets = GivenSockets(descriptors or {})
        self._socket = _notifying(environment)
        # An abstract address, which systemd writes with @, begins with a NUL.
        self._address = re.sub("^@", "\0", environment.get("NOTIFY_SOCKET", ""))
        self._pause = watchdog_pause(environment, os.getpid())
        self._counts = counts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._phase = ""
        self._status = ""
        self._unsent: dict[str, str] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._warned = False

    def starting(self) -> None:
        """Tell of the start, and keep the watchdog content while the running loop turns."""
        if self._socket is not None:
            self._loop = asyncio.get_running_loop()
            self._say_status("Starting")
            if self._pause is not None:
                self._beat(self._loop, self._pause)

    def ready(self) -> None:
        """Tell that the startup has ended and connections are accepted."""
        if self._socket is not None and self._loop is not None:
            self._unsent["READY"] = "1"
            self._look(self._loop)

    def stopping(self, seconds: float) -> None:
        """Tell that the stop has begun, and ask for the time that it takes at most."""
        if self._socket is not None:
            self._unsent.pop("READY", None)
            self._phase = "Stopping, "
            microseconds = int((seconds + STOP_MARGIN) * 1_000_000)
            self._say(STOPPING="1", EXTEND_TIMEOUT_USEC=str(microseconds))
            self._say_status(self._describe())

    def failed(self, error: BaseException) -> None:
        """Tell why the start has failed, in one line without secrets."""
        cause = error.__cause__
        reason = str(error) if cause is None else f"{error}: {describe(cause)}"
        self._say_status(f"Cannot start: {loggable(reason)}")

    def close(self) -> None:
        """Say no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _beat(self, loop: asyncio.AbstractEventLoop, pause: float) -> None:
        if self._socket is not None:
            loop.call_later(pause, self._beat, loop, pause)
            self._say(WATCHDOG="1")

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._socket is not None:
            loop.call_later(LOOK_PAUSE, self._look, loop)
            self._say_status(self._describe())

    def _describe(self) -> str:
        bots, events = self._counts()
        texts = [f"{bots} bot{'s' * (bots != 1)} connected"]
        if events is not None:
            texts.append(f"{events} event{'s' * (events != 1)} in flight")
        return self._phase + ", ".join(texts)

    def _say_status(self, text: str) -> None:
        if text != self._status:
            self._status = text
            self._say(STATUS=text)

    def _say(self, **fields: str) -> None:
        self._unsent |= fields
        self._send()

    def _send(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._socket is None or not self._unsent:
            return
        message = "\n".join(f"{name}={value}" for name, value in self._unsent.items())
        try:
            self._socket.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError as error:
            self._warn(error)
            if self._loop is not None and not self._loop.is_closed():
                self._retry = self._loop.call_later(RETRY_PAUSE, self._send)
        else:
            self._unsent.clear()

    def _warn(self, error: OSError) -> None:
        # systemd that is busy takes it later.
        if not self._warned and not isinstance(error, BlockingIOError):
            self._warned = True
            logger.warning(
                "systemd cannot be notified by NOTIFY_SOCKET: {}; the bot goes on, but systemd may"
                " restart it",
                error.strerror or error,
            )


def _notifying(environment: Mapping[str, str]) -> socket.socket | None:
    """Make the socket for messages; None where nobody has asked for any."""
    if os.name != "posix" or not environment.get("NOTIFY_SOCKET", "").startswith(("/", "@")):
        return None
    notifying = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifying.setblocking(False)
    return notifying
