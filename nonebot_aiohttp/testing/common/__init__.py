"""What the whole kit stands on: waits, the timeline, and what the kit itself has open."""
