"""Tests that OpenTelemetry sees what its page says, under every host and on both faces."""
