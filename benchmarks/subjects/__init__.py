"""The subjects: each runs as a process of its own, and all do the same work per event.

``~fastapi`` does more: it logs a line for each request, as it does for its users. It is measured
without its access log, too.
"""
