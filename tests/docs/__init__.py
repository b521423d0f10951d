"""Tests that run what the pages of the documentation show."""
