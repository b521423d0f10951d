"""What all tests of the kit have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certs import one_authority


@pytest.fixture(scope="package", autouse=True)
def _one_authority() -> Iterator[None]:
    """Start bots sooner."""
    with one_authority():
        yield
