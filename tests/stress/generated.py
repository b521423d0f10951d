"""Strategies for what peers may send, how many examples are tried, and where."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

once_is_enough = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="it tests the program that looks for faults, not the driver"
)
"""Marks what would only take time again on older Pythons."""

EXAMPLES = int(os.environ.get("PYTEST_STRESS_EXAMPLES", "100"))

many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # All examples go to one server on purpose: that it lives on is what is tested.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Without CONNECT: its target `host:port` has no path, so aiohttp asks no resource of the driver.
# aiohttp itself answers 500 with a traceback to an `Expect` that is not UTF-8 (as of 3.14.5).
methods = st.sampled_from(["POST", "GET", "PUT", "HEAD", "OPTIONS", "post", "PRI"])

token = st.text(
    "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12
)
"""Names of header fields (RFC 9110, section 5.6.2)."""

field_values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E)
    | st.characters(min_codepoint=0xA0, max_codepoint=0xFF),
    max_size=30,
).map(str.strip)

path_segments = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
