"""The kit's ports for servers in other processes, claimed before a test looks at sockets."""

from nonebot_aiohttp.testing.bots.ports import claim
from nonebot_aiohttp.testing.bots.ports import free_port as free_port

claim()
