"""Faults, many times: a random walk over bad peers, and restarts of the process under load."""
