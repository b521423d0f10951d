"""Tests of the kit for authors of adapters, against real sockets, processes and runs of pytest."""
