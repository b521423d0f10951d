"""Tests that start processes: hosts, signals, examples."""
