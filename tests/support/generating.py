"""The settings of hypothesis, for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def load_profile() -> None:
    """Switch off the deadline of examples, because a loaded machine stalls at any example."""
    settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tests")
