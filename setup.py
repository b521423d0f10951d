"""Build entry point: the metadata is in setup.cfg, the description is made of README.md."""

import configparser
import re
from pathlib import Path

HERE = Path(__file__).parent
RELATIVE = r"(?![a-z]+:)"


def source_url() -> str:
    """Return the address of the repository, or an empty text as long as setup.cfg has none."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(HERE / "setup.cfg", encoding="utf-8")
    urls = config["metadata"].get("project_urls", "")
    found = re.search(r"^Source = (\S+?)/?$", urls, re.MULTILINE)
    return found[1] if found else ""


def described(text: str, source: str) -> str:
    """Make the README fit for an index of packages, where a relative link leads nowhere.

    Links and pictures lead to the repository; without its address a link becomes its text, and a
    picture is left out. Blocks of code stay as they are.
    """
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [with_absolute_links(part, source) for part in parts[::2]]
    return "".join(parts)


def with_absolute_links(text: str, source: str) -> str:
    """Do so with a text that has no blocks of code."""
    if source:
        page, picture = f"{source}/blob/HEAD/", f"{source}/raw/HEAD/"
        text = re.sub(rf"(!\[[^]]*\]\(){RELATIVE}", rf"\1{picture}", text)
        text = re.sub(rf'((?:src|srcset)="){RELATIVE}', rf"\1{picture}", text)
        text = re.sub(rf"((?<!!)\[[^]]*\]\(){RELATIVE}(?!#)", rf"\1{page}", text)
        return re.sub(r"((?<!!)\[[^]]*\]\()(?=#)", rf"\1{page}README.md", text)
    text = re.sub(r"<picture>.*?</picture>\n*", "", text, flags=re.DOTALL)
    text = re.sub(rf'<img [^>]*src="{RELATIVE}[^>]*>\n*', "", text)
    text = re.sub(rf"!\[[^]]*\]\({RELATIVE}[^)]*\)\n*", "", text)
    return re.sub(rf"\[([^]]*)\]\({RELATIVE}[^)]*\)", r"\1", text)


if __name__ == "__main__":
    from setuptools import setup

    setup(long_description=described((HERE / "README.md").read_text("utf-8"), source_url()))
