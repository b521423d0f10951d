"""What the query of the page's address asks for, and the links that ask for something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

LONGEST_QUERY = 100
"""Characters of a search that count: more than any id that is shown has."""

_MOST_DIGITS = 6


@dataclass(frozen=True)
class Asked:
    """What the page is asked for.

    Attributes:
        query: What a bot's id, adapter or way has to contain; empty for all bots.
        page: Which rows of bots, from 1.
        refreshes: Whether the page loads itself again.
    """

    query: str = ""
    page: int = 1
    refreshes: bool = True

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        """Read the query of an address; what is malformed counts as not given."""
        page = query.get("page", "")
        is_number = page.isascii() and page.isdecimal() and len(page) <= _MOST_DIGITS
        return cls(
            query.get("q", "")[:LONGEST_QUERY].strip(),
            max(1, int(page)) if is_number else 1,
            query.get("refresh") != "off",
        )

    def link(
        self,
        anchor: str = "",
        *,
        query: str | None = None,
        page: int = 1,
        refreshes: bool | None = None,
    ) -> str:
        """Make the address of another part, relative to the page; None keeps what is."""
        other = replace(
            self,
            query=self.query if query is None else query[:LONGEST_QUERY],
            page=page,
            refreshes=self.refreshes if refreshes is None else refreshes,
        )
        fields = {
            "q": other.query,
            "page": other.page if other.page > 1 else "",
            "refresh": "" if other.refreshes else "off",
        }
        given = {name: value for name, value in fields.items() if value}
        return f"?{urlencode(given, errors='replace')}{anchor}"
