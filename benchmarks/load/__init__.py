"""Peers that put load on a subject; each runs as a process of its own."""
