"""What differs on the Chinese pages from docs/conf.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conf import *  # noqa: F403
from conf import extensions

language = "zh_CN"
exclude_patterns: list[str] = []
extensions = [*extensions, "chinese_search", "chinese_theme"]
