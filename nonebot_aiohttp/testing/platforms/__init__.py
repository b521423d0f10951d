"""The platform: what it serves, what it sends, and what it keeps."""
