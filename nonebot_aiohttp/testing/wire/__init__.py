"""Bytes between a platform and a bot, and the faults that strike them."""
