"""What runs in the process of a bot: ``python -m nonebot_aiohttp.testing.program KIND ...``.

`BotProcess` starts it, and nobody else needs it. The kinds are ``file PATH``, ``function FILE
MODULE QUALIFIED_NAME`` and ``module NAME``, each with the arguments of the program behind. It
imports no driver and leaves ``DRIVER`` to NoneBot2; where the bot calls ``nonebot.init``, the
settings of the test go before all others.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from .inside.hosting import SETTINGS
from .inside.telling import send
from .inside.watching import Watch


class _Finder(importlib.abc.MetaPathFinder):
    """Sees the first import of NoneBot2, and nothing else: a bot need not be one of NoneBot2."""

    def __init__(self, on_import: Callable[[ModuleType], None]) -> None:
        self._on_import = on_import

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "nonebot":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._on_import(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _configure(nonebot: Any, settings: dict[str, Any], watch: Watch) -> None:
    """Have ``nonebot.init`` take the test's settings, whoever calls it, and watch the driver."""
    original = nonebot.init

    @functools.wraps(original)
    def init(**given: Any) -> None:
        before = None
        with suppress(ValueError):  # It is the first call.
            before = nonebot.get_driver()
        original(**{**given, **settings})
        driver = nonebot.get_driver()
        if driver is not before:
            send({"listens": hasattr(type(driver), "server_app")})
            watch.look_at(driver)

    nonebot.init = init


def run_file(path: str, arguments: Sequence[str]) -> None:
    """Run a program as ``python PATH`` does."""
    module = ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).parent))
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec")
    exec(code, module.__dict__)


def run_function(path: str, name: str, qualified: str, arguments: Sequence[str]) -> None:
    """Start NoneBot2 with a function between ``nonebot.init`` and ``nonebot.run``."""
    sys.argv = [path, *arguments]
    found: Any = load(path, name)
    for part in qualified.split("."):
        found = getattr(found, part)
    import nonebot

    nonebot.init()
    found()
    nonebot.run()


def load(path: str, name: str) -> ModuleType:
    """Import a module by its name, if that leads to its file, or else from the file."""
    spec = None
    with suppress(ImportError, AttributeError, ValueError):
        spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None and _is_same(spec.origin, path):
        return importlib.import_module(name)
    own = Path(path).stem if name == "__main__" else name
    spec = importlib.util.spec_from_file_location(own, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[own] = module
    spec.loader.exec_module(module)
    return module


def _is_same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.samefile(one, other)


def main() -> None:
    """Run what the command line says."""
    kind, *rest = sys.argv[1:]
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # `python -m` has put the current folder there.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has started the tests in its background, and has them ignore Ctrl+C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    watch = Watch()
    watch.begin()
    settings = json.loads(os.environ[SETTINGS])
    sys.meta_path.insert(0, _Finder(lambda found: _configure(found, settings, watch)))
    if kind == "file":
        run_file(rest[0], rest[1:])
    elif kind == "function":
        path, name, qualified, *arguments = rest
        run_function(path, name, qualified, arguments)
    else:
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # The module that has a name, so that `__main__` is the bot's.
    importlib.import_module("nonebot_aiohttp.testing.program").main()
