"""Which texts of the package the page of errors puts together, and which it leaves out, and why."""

from __future__ import annotations

_NEXT = "...; the next attempt is in ... s"
_BOT = "bot ... of ..."
_NO_ADAPTER = "no adapter ... is registered"
_MEANT = "...; did you mean ...?"
_NO_ARGUMENT = "run() has no argument ...: it takes ..."
_ARGUMENTS = "...; settings of the server begin with AIOHTTP_ and stand in .env"
_DESCRIPTOR = "The descriptor ... of systemd (...)"
_NEVER_RUN = "The driver that was made at ... has never run: ..."

COMPOSED: dict[str, tuple[str, ...]] = {
    "The descriptor ... of systemd (...) is not a socket (...): write only ListenStream= into its"
    " unit": (
        _DESCRIPTOR,
        "is not a socket (...): write only ListenStream= into its unit",
    ),
    "The descriptor ... of systemd (...) is not a stream socket: write ListenStream= into its"
    " unit": (
        _DESCRIPTOR,
        "is not a stream socket: write ListenStream= into its unit",
    ),
    "The descriptor ... of systemd (...) does not listen: remove Accept=yes from its unit": (
        _DESCRIPTOR,
        "does not listen: remove Accept=yes from its unit",
    ),
    "run() has no argument ...: it takes ...; settings of the server begin with AIOHTTP_ and stand"
    " in .env": (_NO_ARGUMENT, _ARGUMENTS),
    "run() has no argument ...: it takes ...; to reload write `nb run --reload`; settings of the"
    " server begin with AIOHTTP_ and stand in .env": (
        _NO_ARGUMENT,
        "...; to reload write `nb run --reload`",
        _ARGUMENTS,
    ),
    "... failed: ...; the next attempt is in ... s": ("... failed: ...", _NEXT),
    "... has failed ... times in ...: ...; the next attempt is in ... s": (
        "... has failed ... times in ...: ...",
        _NEXT,
    ),
    "Bot ... of ... disconnected (...); the next attempt is in ... s": (
        _BOT,
        "B... disconnected (...)",
        _NEXT,
    ),
    "... object has no attribute ...: call super().__init__(self_id, request) first": (
        "... object has no attribute ...: ...",
        "call super().__init__(self_id, request) first",
    ),
    "... object has no attribute ...: the driver sets it when it makes the bot": (
        "... object has no attribute ...: ...",
        "the driver sets it when it makes the bot",
    ),
    "... of bot ... of ... failed: ...": ("... of ... failed", _BOT),
    "Bot ... of ... connected (...)": (_BOT, "B... connected (...)"),
    "Bot ... of ... disconnected (...)": (_BOT, "B... disconnected (...)"),
    "no adapter ... is registered: call driver.register_adapter(..., ...) before the start": (
        _NO_ADAPTER,
        "...: call driver.register_adapter(..., ...) before the start",
    ),
    "no adapter ... is registered; did you mean ...?": (_NO_ADAPTER, _MEANT),
    "no adapter ... is registered, only ...": (_NO_ADAPTER, "..., only ..."),
    "is for nonebot_aiohttp.nonebot2 under NoneBot2 2.4 or newer only; mount driver.asgi in a"
    " FastAPI application instead": (
        "is for nonebot_aiohttp.nonebot2 under NoneBot2 2.4 or newer only; mount",
        "driver.asgi in a FastAPI application instead",
    ),
    "nonebot_aiohttp is the driver without NoneBot2: write DRIVER=nonebot_aiohttp.nonebot2": (
        "nonebot_aiohttp is the driver without NoneBot2: write",
    ),
    "module ... has no attribute ...: for NoneBot2 write nonebot_aiohttp.nonebot2, as in"
    " DRIVER=~fastapi+nonebot_aiohttp.nonebot2": (
        "module ... has no attribute ...",
        ": for NoneBot2 write nonebot_aiohttp.nonebot2, as in",
    ),
    "The driver that was made at ... has never run: end the program with driver.run()": (
        _NEVER_RUN,
        "end the program with driver.run()",
    ),
    "The driver that was made at ... has never run: end the program with nonebot.run()": (
        _NEVER_RUN,
        "end the program with nonebot.run()",
    ),
}
"""Lines as users see them, and the texts of which the package makes them."""

FOREIGN = {
    "ModuleNotFoundError: No module named 'nonebot.drivers.nonebot_aiohttp'",
    "ModuleNotFoundError: No module named 'nonebot_aiohttp'",
    "requires a different Python: ... not in '>=3.10'",
    "ModuleNotFoundError: No module named 'nonebot_aiohttp.nonebot'",
    "ModuleNotFoundError: No module named 'nonebot-aiohttp'",
    "ModuleNotFoundError: No module named 'NONEBOT_AIOHTTP'",
    "AttributeError: module 'nonebot.drivers.fastapi' has no attribute 'Mixin'",
    "TypeError: `driver` must be subclass of Driver",
    "Application startup completed.",
    "Input should be a valid integer, unable to parse string as an integer [type=int_parsing,"
    " input_value=..., input_type=str]",
    "TypeError: Driver.__init__() missing 2 required positional arguments: 'env' and 'config'",
    "TypeError: Driver.__init__() missing 1 required positional argument: 'config'",
    "TypeError: Driver.register_adapter() missing 1 required positional argument: 'adapter'",
    "TypeError: Bot.__init__() missing 2 required positional arguments: 'self_id' and 'request'",
    "RuntimeWarning: coroutine 'HostedDriver.serve' was never awaited",
}
"""Texts of Python, pip and NoneBot; test_nonebot2.py and test_errors.py raise them."""

INTERNAL: dict[str, set[str]] = {
    "annotations, formats and representations": {
        "... (in ..., line ...)",
        "... ... ... ... ... bytes ... s",
        "... ... lines are left out ...",
        "... or ...",
        "<... type=... adapters=... bots=...>",
        "<Bot type=... self_id=...>",
        "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <8}</level>"
        " <cyan>...</cyan>: ...",
        "<no text: its __str__ failed>",
        'Basic realm="nonebot_aiohttp", charset="UTF-8"',
        "Exception | None",
        "Internal Server Error",
        "from ... to ...",
        "...:... in ...",
        "retry at the slowest pace",
        "str | None",
    },
    "names, which stand in other texts": {
        "(... of ...)",
        "... in line ... of ...",
        "Line ... of ...",
        "The ... of ...",
        "The adapter ...",
        "The system's proxy",
        "a ... of ...",
        "a Unix socket",
        "a request of ...",
        "an ASGI application",
        "an aiohttp application",
        "an unknown adapter",
        "an unknown peer",
        "blocked event loop",
        "cookies of the request",
        "end of the process",
        "header of the request",
        "on_cleanup of server_app",
        "on_shutdown of server_app",
        "requests of server_app",
        "the FastAPI application",
        "the SOCKS proxy ...",
        "the client has left",
        "the closing of the session",
        "the driver's reader",
        "the operators' listener",
        "the shutdown hook ...",
    },
    "ends of texts that the pages have, which explain themselves": {
        "... ...: write ...=... in .env",
        ", and its messages come to handle_message",
        "; Ctrl+C again cuts it off",
        "; did you mean ...?",
        "correct it, or write # before it",
        "did you mean ...?",
        "write ...=..., and nothing behind it but a # comment",
        "a plugin that wants FastAPI needs AIOHTTP_FASTAPI=true in .env, and"
        ' pip install "nonebot-aiohttp[fastapi]"',
        "app.router.add_get() and the like add routes to it; or mount driver.asgi in a FastAPI"
        " application of your own. The setting aiohttp_fastapi is for NoneBot2 and its plugins",
        "came after the stop began",
        "had not ended",
        "redirected with ...",
        "save it in UTF-8 with your editor",
        "write AIOHTTP_SSL_CERTFILE with the path of its PEM file",
        "write the whole path of a PEM file that exists",
        "write what this prints: python -c 'import secrets; print(secrets.token_urlsafe())'",
    },
    "what a setting must be, behind `is not`": {
        ", ... or less",
        ", ... or more",
        ", or none",
        "..., or none",
        "a host name or an address",
        "a level of loguru (...) or its number",
        "a list in JSON",
        "a list of host names in JSON",
        "a list of origins in JSON",
        "a list of texts in JSON",
        "a port, or a range of ports",
        "a time (seconds, HH:MM:SS or ISO 8601)",
        "a whole number",
        "an IP address or a name",
        "an object in JSON",
        "an object of URLs in JSON",
        "neither an IP address nor a name",
        "not a level of loguru",
        "not an absolute URL",
        "octal digits, as for chmod",
        "the path of a PEM file",
        "true or false",
    },
    "the status for systemd, which explains itself": {
        "... bot... connected",
        "... event... in flight",
        "Cannot start: ...",
    },
    "errors that the package catches itself": {
        "the Host header is not a valid host",
    },
    "mistakes of the FastAPI application against ASGI, which frameworks do not make": {
        "A WebSocket has no event ...",
        "A response has no event ...",
        "The application has ended without the whole of a response",
        "The body is ... than its Content-Length",
        "The head of this response was sent already",
        "This WebSocket was accepted already",
        "This WebSocket was accepted or refused already",
        "This response has not begun, or has ended",
    },
}
"""Texts that the pages leave out, by the reason."""
