"""A bot of Pigeon: it answers ``/echo coo`` with ``coo``."""

import nonebot

from nonebot.adapters.pigeon import Adapter

nonebot.init()
nonebot.get_driver().register_adapter(Adapter)
nonebot.load_builtin_plugin("echo")

if __name__ == "__main__":
    nonebot.run()
