"""A random walk over faults: the peers of all four ways at once, and the books that they keep."""
