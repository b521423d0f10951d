"""A bot with OneBot's adapter and plugins of NoneBot's store, as its user would write it."""

import hosting
import nonebot
from nonebot.adapters.onebot.v11 import Adapter

nonebot.init()
driver = nonebot.get_driver()
driver.register_adapter(Adapter)
for name in driver.config.plugins_to_load:
    nonebot.require(name)

if __name__ == "__main__":
    hosting.run()
