"""Who may come in: webhooks by their signature, WebSockets by their token."""

import hmac

from nonebot.drivers import Request

from .config import Config


def refusal_of_webhook(request: Request, body: bytes, config: Config) -> str:
    """Return what is wrong with a webhook; nothing if it is Pigeon's."""
    if not config.pigeon_secret:
        return "PIGEON_SECRET is not set"
    expected = hmac.new(config.pigeon_secret.encode(), body, "sha256").hexdigest()
    given = request.headers.get("X-Pigeon-Signature", "")
    return "" if is_same(given, expected) else "wrong signature"


def refusal_of_websocket(request: Request, config: Config) -> str:
    """Return what is wrong with a WebSocket; nothing if it is Pigeon's."""
    if not config.pigeon_token:
        return "PIGEON_TOKEN is not set"
    given = request.headers.get("Authorization", "")
    return "" if is_same(given, f"Bearer {config.pigeon_token}") else "wrong token"


def is_same(given: str, expected: str) -> bool:
    """Compare in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
