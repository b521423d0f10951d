"""The tests of nonebot_aiohttp."""
