"""What all tests of the kit have in common."""

from __future__ import annotations

import pytest

from tests.support.certs import one_authority

_one_authority = pytest.fixture(scope="package", autouse=True)(one_authority)
