"""Sockets that listen before anything else runs, so that a port in use fails the start at once."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Any, cast

from ..exceptions import StartupError, ValidationError

Address = tuple[Any, ...]

HIGHEST_PORT = 65535

BACKLOG = 1024
"""Connections that wait to be accepted; those that come while the startup hooks run wait here."""


def port_number(port: Any) -> int:
    """Read a port as a configuration has it.

    Args:
        port: A number, or its decimal digits.

    Returns:
        The number.

    Raises:
        ValidationError: It is no port.
    """
    number = int(port) if isinstance(port, str) and port.strip().isdecimal() else port
    if not isinstance(number, int) or not 0 <= number <= HIGHEST_PORT:
        raise ValidationError({"port": f"must be a number from 0 to {HIGHEST_PORT}"})
    return number


def listen(host: str | None, port: int) -> list[socket.socket]:
    """Bind and listen on every address that a host name resolves to.

    Args:
        host: The name or address; None or an empty one is all interfaces.
        port: The port; 0 lets the system choose, one for all addresses.

    Returns:
        Listening sockets, not blocking.

    Raises:
        StartupError: An address cannot be bound, or the name resolves to none.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in resolve(host, port):
            bound = port or (sockets[0].getsockname()[1] if sockets else 0)
            listening = _bind(family, (address[0], bound, *address[2:]))
            if listening is not None:
                sockets.append(listening)
        if not sockets:
            raise StartupError(f"Cannot listen on {host}: no address of it is on this machine")
    except BaseException:
        close_all(sockets)
        raise
    return sockets


def resolve(host: str | None, port: int) -> list[tuple[int, Address]]:
    """Resolve a host name.

    Args:
        host: The name or address; None or an empty one is all interfaces.
        port: The port.

    Returns:
        Address families and addresses, without repetitions.

    Raises:
        StartupError: The name resolves to nothing.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise StartupError(f"Cannot listen on {host}: {error.strerror or error}") from None
    return list(dict.fromkeys((int(info[0]), cast("Address", info[4])) for info in found))


def listen_unix(path: str | os.PathLike[str], mode: int) -> socket.socket:
    """Bind and listen on a Unix socket; one that a dead process left is replaced.

    Args:
        path: Where.
        mode: Mode of the file: who may write to it may connect.

    Returns:
        A listening socket, not blocking.

    Raises:
        StartupError: Another process listens there, or the path cannot be bound.
        ValidationError: The mode is no number.
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
    """Close sockets.

    Args:
        sockets: The sockets; those that are closed already are passed over.
    """
    for listening in sockets:
        listening.close()


def _bind(family: int, address: Address) -> socket.socket | None:
    """Bind one address; None where the machine lacks its family."""
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
        raise StartupError(
            f"Cannot listen on {address[0]} port {address[1]}: {error.strerror or error}"
        ) from None


def _ready(listening: socket.socket) -> socket.socket:
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


def _remove_stale(path: str) -> None:
    """Remove a socket file on which nobody listens.

    Raises:
        StartupError: Somebody does.
    """
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
