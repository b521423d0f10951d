"""Tests of the description that setup.py makes for an index of packages."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = """
[text](docs/index.md) and [more](https://example.org), [below](#part), [中文](README.zh-CN.md#x)

![picture](docs/images/ways.svg)

<picture><source srcset="docs/dark.svg"><img src="docs/light.svg"></picture>

```python
print("[text](docs/index.md)")
```
"""


@pytest.fixture(scope="module")
def described() -> Callable[[str, str], str]:
    made: Callable[[str, str], str] = runpy.run_path(str(ROOT / "setup.py"))["described"]
    return made


def test_without_an_address_links_are_their_texts(described: Callable[[str, str], str]) -> None:
    assert (
        described(README, "")
        == """
text and [more](https://example.org), below, 中文

```python
print("[text](docs/index.md)")
```
"""
    )


def test_with_an_address_links_lead_there(described: Callable[[str, str], str]) -> None:
    assert (
        described(README, "https://host/me/it")
        == """
[text](https://host/me/it/blob/HEAD/docs/index.md) and [more](https://example.org), \
[below](https://host/me/it/blob/HEAD/README.md#part), \
[中文](https://host/me/it/blob/HEAD/README.zh-CN.md#x)

![picture](https://host/me/it/raw/HEAD/docs/images/ways.svg)

<picture><source srcset="https://host/me/it/raw/HEAD/docs/dark.svg">\
<img src="https://host/me/it/raw/HEAD/docs/light.svg"></picture>

```python
print("[text](docs/index.md)")
```
"""
    )
