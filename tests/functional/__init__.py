"""Tests of the whole driver against real sockets, in one process."""
