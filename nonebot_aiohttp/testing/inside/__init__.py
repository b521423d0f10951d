"""What runs in a bot's own process: light, and without a platform."""
