"""``Access``: who may see what operators see.

A token opens everything but the two health paths, on loopback too: nginx and what a plugin fetches
come from there. A browser page cannot get in by DNS rebinding, because only names count that its
author cannot own.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from ipaddress import ip_address

from aiohttp import hdrs, web

from ..log import OnceInAWhile
from ..log.naming import peer_name
from ..log.own import logger
from ..options import DriverOptions

CHALLENGE = 'Basic realm="nonebot_aiohttp", charset="UTF-8"'
"""What a browser asks its user for (RFC 7617); programs send the token as Bearer (RFC 6750)."""


_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]+))(?::\d{0,5})?", re.ASCII)
"""An address or a name, and a port (RFC 9110, section 7.2), without anything else of a URL."""


class Access:
    """Decides by the headers of a request, in which anything may stand."""

    def __init__(self, options: DriverOptions) -> None:
        """Take the token and the names of the settings."""
        token = options.ops_token
        self._token = None if token is None else token.encode("utf-8", "surrogateescape")
        self._names = {name.lower() for name in options.ops_names}
        self._lines = OnceInAWhile()

    @property
    def has_token(self) -> bool:
        """Whether there is a token; without one only the health paths exist."""
        return self._token is not None

    def check_host(self, request: web.Request) -> None:
        """Refuse a request that came by a name that anybody could own.

        Raises:
            web.HTTPMisdirectedRequest: The name is not allowed.
            web.HTTPBadRequest: There are several names.
        """
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) > 1:
            raise web.HTTPBadRequest(text="several Host headers")
        # A browser always sends one; a health check of HTTP/1.0 may not.
        if hosts and not (self._is_allowed(hosts[0]) and self._is_allowed_target(request)):
            raise web.HTTPMisdirectedRequest(
                text="this host name is not among aiohttp_ops_names: use an address, or add it"
            )

    def _is_allowed(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        return self._is_allowed_name(found[1] or found[2])

    def _is_allowed_target(self, request: web.Request) -> bool:
        """Decide on the name in a target that is a whole URL (RFC 9112, section 3.2.2).

        With any other target the name is that of the header.
        """
        try:
            name = request.url.raw_host
        except ValueError:
            # For example, its port is beyond 65535.
            return False
        return self._is_allowed_name(name or "")

    def _is_allowed_name(self, name: str) -> bool:
        name = name.lower()
        return name == "localhost" or name in self._names or _is_address(name)

    def check_token(self, request: web.Request) -> None:
        """Refuse a request without the token.

        Raises:
            web.HTTPUnauthorized: The token is wrong or missing.
        """
        shown = _shown_token(request.headers.getall(hdrs.AUTHORIZATION, []))
        if shown is not None and hmac.compare_digest(shown, self._token or b""):
            return
        if shown:
            peer = peer_name(request.remote)
            if self._lines.is_due(peer, "token"):
                text = "Refused a request of operators from {} with 401: its token is wrong"
                logger.warning(text, peer, peer=peer)
        raise web.HTTPUnauthorized(
            text="show aiohttp_ops_token, as a bearer token or as the password of Basic",
            headers={hdrs.WWW_AUTHENTICATE: CHALLENGE},
        )


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def _shown_token(values: list[str]) -> bytes | None:
    """Read the token of an ``Authorization`` header; None if there is not exactly one."""
    if len(values) != 1:
        return None
    scheme, _, credentials = values[0].strip().partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials.encode("utf-8", "surrogateescape")
    if scheme.lower() != "basic":
        return None
    try:
        # Any user name will do.
        return b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return None
