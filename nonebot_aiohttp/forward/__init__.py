"""What connects to platforms: HTTP polling and forward WebSockets."""
