"""How connections to platforms are made: proxies, names, and the one connector for all."""
