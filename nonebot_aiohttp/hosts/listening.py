"""Where the own process listens: bound first of all, so that a port in use fails the start."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from yarl import URL

from ..exceptions import StartupError, ValidationError
from ..log import loggable
from ..log.own import logger
from ..options import DriverOptions
from ..settings.driver import HIGHEST_PORT
from .systemd import GivenSockets

Address = tuple[Any, ...]

_LONGEST_SHOWN = 40

OF_HERE = "{} must be an address of this machine: 127.0.0.1, or 0.0.0.0 for all, for example"
"""What to do if the host of a setting is another machine's, or nobody's."""

BACKLOG = 1024
"""Connections that wait to be accepted; those that come while the startup hooks run wait here."""

SYSTEMD_BACKLOG = 65_535
"""The same for sockets of systemd, which wait longer; the system's own limit is lower."""


@dataclass(frozen=True)
class Listening:
    """Where to listen; see ``Driver.run`` for the values.

    Attributes:
        host: A name or an address; None is the configuration's ``host``.
        port: The port, or its digits as text; None is the configuration's ``port``.
        given: The sockets of systemd, which are used instead of a host, a port or a path.
    """

    host: str | None = None
    port: int | str | None = None
    path: str | os.PathLike[str] | None = None
    mode: int | None = None
    sock: socket.socket | None = None
    ssl_context: ssl.SSLContext | None = None
    given: GivenSockets = field(default_factory=lambda: GivenSockets({}))

    @property
    def is_given(self) -> bool:
        """Whether systemd has opened the sockets, and keeps them open."""
        return self.sock is None and self.given.for_public

    @property
    def backlog(self) -> int:
        """Connections that may wait to be accepted."""
        return SYSTEMD_BACKLOG if self.is_given else BACKLOG

    def completed(self, config: Any) -> Listening:
        """Fill in what the configuration says of host and port."""
        host = getattr(config, "host", "127.0.0.1") if self.host is None else self.host
        port = getattr(config, "port", 8080) if self.port is None else self.port
        return replace(self, host=str(host), port=port)

    def open(self, options: DriverOptions) -> list[socket.socket]:
        """Bind and listen.

        Raises:
            StartupError: An address cannot be bound, or a socket of systemd cannot be used.
            ValidationError: The port is not a valid port number.
        """
        if self.sock is not None:
            return [self.sock]
        if self.is_given:
            logger.info("systemd has opened the sockets, so HOST, PORT and path= are not used")
            return self.given.public()
        if self.path is not None:
            mode = int(options.socket_mode, 8) if self.mode is None else self.mode
            return [listen_unix(self.path, mode)]
        return listen(self.host, port_number(self.port))

    def remove_file(self) -> None:
        """Remove the file of a Unix socket, because a later start expects none."""
        if self.path is not None and not self.is_given:
            with suppress(FileNotFoundError):
                os.unlink(self.path)


def port_number(port: Any) -> int:
    """Read a port: a number, or its decimal digits.

    Raises:
        ValidationError: It is not a valid port number.
    """
    number = int(port) if isinstance(port, str) and port.strip().isdecimal() else port
    if not isinstance(number, int) or not 0 <= number <= HIGHEST_PORT:
        given = loggable(repr(port), _LONGEST_SHOWN)
        raise ValidationError({"port": f"must be a number from 0 to {HIGHEST_PORT}, not {given}"})
    return number


def listen(host: str | None, port: int, setting: str = "HOST") -> list[socket.socket]:
    """Bind and listen on every address that a host name resolves to.

    An empty host is all interfaces. Port 0 lets the system choose one port for all addresses. The
    setting is the one that the host comes from, for the errors.

    Raises:
        StartupError: An address cannot be bound, or the name does not resolve.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in resolve(host, port, setting):
            bound = port or (sockets[0].getsockname()[1] if sockets else 0)
            listening = _bind(family, (address[0], bound, *address[2:]), setting)
            if listening is not None:
                sockets.append(listening)
        if not sockets:
            advice = OF_HERE.format(setting)
            raise StartupError(
                f"Cannot listen on {host}: none of its addresses is on this machine; {advice}"
            )
    except BaseException:
        close_all(sockets)
        raise
    return sockets


def resolve(host: str | None, port: int, setting: str = "HOST") -> list[tuple[int, Address]]:
    """Resolve a host name to address families and addresses, without repetitions.

    Raises:
        StartupError: The name does not resolve.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, ValueError) as error:
        name, _, port_text = (host or "").rpartition(":")
        advice = OF_HERE.format(setting)
        if port_text.isdecimal() and ":" not in name and setting == "HOST":
            advice = f'the port is an argument of its own: run("{name}", {port_text})'
        # A name such as "a..b" is not an OSError, but a UnicodeError of Python's own.
        why = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        raise StartupError(f"Cannot listen on {host}: {why}; {advice}") from None
    return list(dict.fromkeys((int(info[0]), cast("Address", info[4])) for info in found))


def listen_unix(path: str | os.PathLike[str], mode: int) -> socket.socket:
    """Bind and listen on a Unix socket; the file that a dead process has left is replaced.

    The mode of the file decides who may connect.

    Raises:
        StartupError: Another process listens there, or the path cannot be bound.
        ValidationError: The mode is not a number.
    """
    path = os.fspath(path)
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        os.chmod(path, mode)
        return _ready(listening)
    except TypeError:
        listening.close()
        os.unlink(path)
        raise ValidationError({"mode": "must be a number such as 0o660"}) from None
    except OSError as error:
        listening.close()
        raise StartupError(f"Cannot listen on {path}: {error.strerror or error}") from None


def close_all(sockets: list[socket.socket]) -> None:
    """Close all sockets; one that is closed already does no harm."""
    for listening in sockets:
        listening.close()


def _bind(family: int, address: Address, setting: str) -> socket.socket | None:
    """Bind one address; None where the machine does not have its address family."""
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        if os.name == "posix":
            # On Windows the option would let two processes share the port.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        return _ready(listening)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6:
            # "localhost" often resolves to ::1 on machines without IPv6.
            return None
        text = f"Cannot listen on {address[0]} port {address[1]}: {error.strerror or error}"
        if error.errno == errno.EADDRNOTAVAIL:
            text = f"{text}; {OF_HERE.format(setting)}"
        raise StartupError(text) from None


def _ready(listening: socket.socket) -> socket.socket:
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


def _remove_stale(path: str) -> None:
    """Remove a socket file on which nobody listens; raise ``StartupError`` if somebody does."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(path)
        else:
            raise StartupError(f"Cannot listen on {path}: another process listens there")


def url_of(listening: socket.socket, context: ssl.SSLContext | None) -> str:
    """Say where a socket listens: a URL, for a Unix socket its path behind ``http://unix:``."""
    scheme = "http" if context is None else "https"
    name = listening.getsockname()
    if isinstance(name, tuple):
        return str(URL.build(scheme=scheme, host=name[0], port=name[1]))
    if isinstance(name, bytes):
        # An abstract address, which begins with a NUL.
        name = f"@{os.fsdecode(name[1:])}"
    return f"{scheme}://unix:{name}"
