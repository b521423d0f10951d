"""Tests of the operators' page in a real browser."""
