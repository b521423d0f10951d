"""Bots as small programs, which the tests start as processes."""
