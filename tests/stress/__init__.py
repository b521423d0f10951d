"""Faults, many times: random walks, restarts, and properties that hold for any input."""
