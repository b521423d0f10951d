"""The adapter for GitHub: signed webhooks of a GitHub App, which answers as an installation.

The platform is written from GitHub's own documents:

- https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries (signatures, with
  the example that is tested here)
- https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment (events)
- https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
  (tokens of the App)
- https://docs.github.com/en/rest/apps/apps (the App itself, tokens of an installation)
- https://docs.github.com/en/rest/issues/comments#create-an-issue-comment (answers)
"""

from __future__ import annotations

import hmac
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

from .support.known import CUT_OFF, NOT_JSON

APP_ID = "12345"
INSTALLATION = 67890
INSTALLATION_TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
SECRET = "It's a Secret to Everybody"
WHEN = "2024-01-01T00:00:00Z"
WEB = "https://github.com"
REPOSITORY = "friend/project"

USER_LINKS = (
    "avatar events followers following gists organizations received_events repos starred "
    "subscriptions"
)
REPOSITORY_LINKS = (
    "archive assignees blobs branches clone collaborators comments commits compare contents "
    "contributors deployments downloads events forks git git_commits git_refs git_tags hooks "
    "issue_comment issue_events issues keys labels languages merges milestones mirror "
    "notifications pulls releases ssh stargazers statuses subscribers subscription svn tags teams "
    "trees"
)
REPOSITORY_COUNTS = (
    "forks forks_count open_issues open_issues_count size stargazers_count watchers watchers_count"
)
REACTIONS = "total_count +1 -1 laugh hooray confused heart rocket eyes"


def links(url: str, names: str) -> dict[str, Any]:
    """Make the addresses that GitHub's objects are full of."""
    return {"url": url, **{f"{name}_url": f"{url}/{name}" for name in names.split()}}


def user(login: str, number: int) -> dict[str, Any]:
    return {
        "login": login,
        "id": number,
        "node_id": f"U_{number}",
        "type": "User",
        "site_admin": False,
        "gravatar_id": "",
        "html_url": f"{WEB}/{login}",
        **links(f"{WEB}/users/{login}", USER_LINKS),
    }


FRIEND = user("friend", 2)


def repository() -> dict[str, Any]:
    owner, name = REPOSITORY.split("/")
    return {
        "id": 3,
        "node_id": "R_3",
        "name": name,
        "full_name": REPOSITORY,
        "owner": user(owner, 2),
        "private": False,
        "html_url": f"{WEB}/{REPOSITORY}",
        "description": None,
        "fork": False,
        "homepage": None,
        "language": None,
        "license": None,
        "default_branch": "main",
        "visibility": "public",
        "topics": [],
        **dict.fromkeys(REPOSITORY_COUNTS.split(), 0),
        **dict.fromkeys(("has_pages", "has_issues", "has_wiki", "archived", "disabled"), False),
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), WHEN),
        **links(f"{WEB}/repos/{REPOSITORY}", REPOSITORY_LINKS),
    }


def entry(number: int, body: str, url: str) -> dict[str, Any]:
    """Make what an issue and a comment have in common."""
    return {
        "id": number,
        "node_id": f"I_{number}",
        "body": body,
        "user": FRIEND,
        "author_association": "OWNER",
        "created_at": WHEN,
        "updated_at": WHEN,
        "url": url,
        "html_url": url,
        "performed_via_github_app": None,
        "reactions": {"url": f"{url}/reactions", **dict.fromkeys(REACTIONS.split(), 0)},
    }


def issue() -> dict[str, Any]:
    url = f"{WEB}/repos/{REPOSITORY}/issues/7"
    return {
        **entry(4, "a question", url),
        **links(url, "comments events labels repository"),
        "number": 7,
        "title": "Hello",
        "state": "open",
        "locked": False,
        "active_lock_reason": None,
        "labels": [],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": 1,
        "closed_at": None,
    }


def sign(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()


def created(**data: Any) -> testing.Reply:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return testing.Reply(json.dumps(data).encode(), 201, headers)


def test_the_signature_is_that_of_the_documents() -> None:
    assert sign(b"Hello, World!", SECRET) == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


class TestWebhook(suites.WebhookSuite):
    adapter = "nonebot.adapters.github"
    program = Path(__file__).with_name("bots") / "github_bot.py"
    path = f"/github/webhooks/{APP_ID}"
    api = ("POST", f"/repos/{REPOSITORY}/issues/7/comments")
    token = SECRET
    key = rsa.generate_private_key(65537, 2048)
    numbers = itertools.count(1)
    known = {
        "test_garbage_is_refused": NOT_JSON,
        "test_a_stop_lets_an_event_in_flight_end": CUT_OFF,
        "test_a_start_without_the_platform_is_made_good": suites.Known(
            "The adapter asks GitHub for the App's name in a startup hook, once; when GitHub cannot"
            " be reached the hook fails, and the bot ends."
        ),
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        app = {"app_id": APP_ID, "private_key": pem.decode(), "webhook_secret": SECRET}
        return {"github_base_url": f"{platform.url}/", "github_apps": [app]}

    def prepare(self, platform: testing.Platform) -> None:
        platform.on("GET", "/app").reply(self.tell_name)
        tokens = f"/app/installations/{INSTALLATION}/access_tokens"
        platform.on("POST", tokens).reply(self.give_token)

    def tell_name(self, call: testing.Call) -> dict[str, Any]:
        self.check_app(call)
        return {
            "id": int(APP_ID),
            "slug": "a-bot",
            "node_id": "A_1",
            "owner": user("bots", 1),
            "name": "a bot",
            "description": None,
            "external_url": "https://bot.example",
            "html_url": f"{WEB}/apps/a-bot",
            "created_at": WHEN,
            "updated_at": WHEN,
            "permissions": {"issues": "write"},
            "events": ["issue_comment"],
        }

    def give_token(self, call: testing.Call) -> testing.Reply:
        self.check_app(call)
        token = {"token": INSTALLATION_TOKEN, "expires_at": "2999-01-01T00:00:00Z"}
        return created(**token, permissions={"issues": "write"})

    def check_app(self, call: testing.Call) -> None:
        """Refuse a request that is not signed with the App's key."""
        kind, _, token = call.headers["authorization"].partition(" ")
        claims = jwt.decode(token, self.key.public_key(), algorithms=["RS256"])
        assert (kind, claims["iss"]) == ("Bearer", APP_ID)

    def event(self, text: str) -> Any:
        number = next(self.numbers)
        url = f"{WEB}/repos/{REPOSITORY}/issues/comments/{number}"
        return {
            "action": "created",
            "issue": issue(),
            "comment": {**entry(number, text, url), "issue_url": issue()["url"]},
            "repository": repository(),
            "sender": FRIEND,
            "installation": {"id": INSTALLATION, "node_id": "I_1"},
        }

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        return {
            "User-Agent": "GitHub-Hookshot/044aadd",
            "Content-Type": "application/json",
            "X-GitHub-Delivery": f"72d3162e-cc78-11e3-81ab-{next(self.numbers):012}",
            "X-GitHub-Event": "issue_comment",
            **({} if token is None else {"X-Hub-Signature-256": sign(body, token)}),
        }

    def said(self, call: suites.Message) -> str | None:
        assert isinstance(call, testing.Call)
        assert call.headers["authorization"] == f"token {INSTALLATION_TOKEN}"
        assert call.headers["accept"].startswith("application/vnd.github")
        text = call.json["body"]
        assert isinstance(text, str)
        return text

    def result(self, call: suites.Message) -> Any:
        url = f"{WEB}/repos/{REPOSITORY}/issues/comments/99"
        return created(**entry(99, call.json["body"], url), issue_url=issue()["url"])

    @suites.scenario
    async def test_a_wrong_signature_is_named(self) -> None:
        """A webhook without a signature, or with a wrong one, is told so."""
        async with self.running():
            for token in (None, "another secret"):
                answer = await self.post_with(self.event("/say no"), token)
                assert (answer.status, answer.body) == (400, b"Invalid Signature")
