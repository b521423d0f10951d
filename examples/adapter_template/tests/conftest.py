"""Loads the kit's fixtures."""

pytest_plugins = ["nonebot_aiohttp.testing.plugin"]
