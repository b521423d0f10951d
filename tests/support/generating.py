"""How hypothesis generates examples, for all tests alike."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def load_profile() -> None:
    """Give no example a deadline of its own: a loaded machine stalls at any of them."""
    settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tests")
