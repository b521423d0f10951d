"""What is measured; each runs as a process of its own, and all do the same work per event.

Two do more: aiogram parses and validates the event, and ``~fastapi`` writes a line for each
request, as it does for its users; the latter is measured without its access log, too.
"""
