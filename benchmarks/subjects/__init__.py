"""What is measured; each runs as a process of its own, and all do the same work per event."""
