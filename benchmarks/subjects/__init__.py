"""What is measured; each runs as a process of its own, and all do the same work per event.

One does more: ``~fastapi`` writes a line for each request, as it does for its users; it is measured
without its access log, too.
"""
