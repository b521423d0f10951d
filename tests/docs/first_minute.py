"""Draws the two pictures of the first minute from real runs: ``python -m tests.docs.first_minute``.

Each picture shows two terminals: that of the bot, and that of whoever plays its platform. The
Chinese pages have the same pictures with other names.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import textwrap
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from tests.docs.trying import LISTENING, Reader
from tests.support.documents import DOCS

IMAGES = DOCS / "images"
COLUMNS = 100
PROMPT = "$ "
BOT, PLATFORM = "the bot", "the platform, from another terminal"
ANSWERS = "A bot starts, accepts a webhook, and answers over a WebSocket"
SWITCHED = "A NoneBot2 bot with one line in .env starts, and answers over a WebSocket"
CHINESE = {
    BOT: "机器人",
    PLATFORM: "平台（另一个终端）",
    ANSWERS: "机器人启动，接收一个 webhook，并通过 WebSocket 回复",
    SWITCHED: "NoneBot2 机器人：.env 里的一行、启动，并通过 WebSocket 回复",
}
"""The names of the pictures and of the terminals, and their translations."""

_MARGIN, _LINE, _COLUMN, _BAR = 20, 20, 7.83, 30
_STYLE = """
    text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      white-space: pre; fill: #57606a; }
    .panel { fill: #f6f8fa; stroke: #d0d7de; }
    .name { fill: #57606a; font-weight: 600; }
    .typed { fill: #0550ae; font-weight: 600; }
    @media (prefers-color-scheme: dark) {
      text { fill: #b1bac4; }
      .panel { fill: #0d1117; stroke: #30363d; }
      .name { fill: #b1bac4; }
      .typed { fill: #79c0ff; }
    }
"""


@dataclass(frozen=True)
class Terminal:
    """A terminal; lines that begin with ``$`` were typed."""

    name: str
    lines: list[str]


@dataclass(frozen=True)
class Picture:
    """A picture of terminals, and what it shows in words."""

    file: str
    title: str
    terminals: list[Terminal]


async def standalone(directory: Path) -> Picture:
    """Try the page for authors of adapters."""
    reader = Reader(DOCS / "start" / "adapters.md", directory)
    start = reader.command("onebot_echo.py").rpartition("&& ")[2]
    curl, client = reader.command("curl -i http"), reader.command("client.py")
    with reader.starts(start) as bot:
        await bot.shows(LISTENING)
        status = reader.runs(curl).splitlines()[0]
        await bot.shows("cannot answer")
        answer = reader.runs(client)
        bot.stop()
        await bot.ended()
    platform = [PROMPT + curl, status, PROMPT + client, *answer.splitlines()]
    return Picture(
        "first-minute-standalone.svg",
        ANSWERS,
        [
            Terminal(BOT, [PROMPT + start, *log_of(reader, bot.output)]),
            Terminal(PLATFORM, platform),
        ],
    )


async def nonebot2(directory: Path) -> Picture:
    """Try the page for users of NoneBot2."""
    reader = Reader(DOCS / "start" / "nonebot2.md", directory)
    start, client = reader.command("python bot.py"), reader.command("python client.py")
    settings = reader.page.files[".env"].splitlines()
    with reader.starts(start) as bot:
        await bot.shows(LISTENING)
        answer = reader.runs(client)
        await bot.shows("running complete")
        bot.stop()
        await bot.ended()
    typed = [PROMPT + "cat .env", *settings, PROMPT + start]
    return Picture(
        "first-minute-nonebot2.svg",
        SWITCHED,
        [
            Terminal(BOT, [*typed, *log_of(reader, bot.output)]),
            Terminal(PLATFORM, [PROMPT + client, *answer.splitlines()]),
        ],
    )


def log_of(reader: Reader, output: str) -> list[str]:
    """Return the lines of a bot's log that its first minute is about, without those of the stop."""
    lines = reader.as_shown(output).splitlines()
    return [line for line in lines if not re.search(r"DEBUG|Stopp|closed by|disconnected", line)]


def layout(terminal: Terminal) -> list[str]:
    """Wrap the lines of a terminal; what goes on is indented."""
    wrapped = []
    for line in terminal.lines:
        wrapped += textwrap.wrap(
            line,
            COLUMNS,
            subsequent_indent="    ",
            break_on_hyphens=False,
            drop_whitespace=False,
            replace_whitespace=False,
        )
    return wrapped


def draw(picture: Picture) -> str:
    """Draw a picture as SVG, which loads nothing."""
    parts: list[str] = []
    width, top = round(COLUMNS * _COLUMN) + 2 * _MARGIN, 0
    for terminal in picture.terminals:
        lines = layout(terminal)
        height = _BAR + len(lines) * _LINE + _MARGIN // 2
        parts += [
            f'  <rect class="panel" x="0.5" y="{top + 0.5}" width="{width - 1}"'
            f' height="{height - 1}" rx="8"/>',
            _text(top + 20, terminal.name, "name"),
        ]
        typed = False
        for number, line in enumerate(lines):
            typed = line.startswith(PROMPT) or (typed and line.startswith("    "))
            parts.append(_text(top + _BAR + number * _LINE + 14, line, "typed" if typed else "out"))
        top += height + _MARGIN // 2
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}"'
        f' height="{top}" role="img" aria-labelledby="title desc">'
    )
    said = escape("\n".join(line for each in picture.terminals for line in each.lines))
    title = f'  <title id="title">{escape(picture.title)}</title>'
    desc = f'  <desc id="desc">{said}</desc>'
    return "\n".join([head, title, desc, f"  <style>{_STYLE}  </style>", *parts, "</svg>", ""])


def _text(y: int, line: str, kind: str) -> str:
    return f'  <text class="{kind}" x="{_MARGIN}" y="{y}">{escape(line, quote=False)}</text>'


def translate(drawing: str) -> str:
    """Give a drawing Chinese names."""
    for english, chinese in CHINESE.items():
        drawing = drawing.replace(f">{english}<", f">{chinese}<")
    return drawing


def lines_of(drawing: str) -> list[str]:
    """Return the lines that a drawing shows, without the names of the terminals."""
    found = re.findall(r'<text class="(?:typed|out)"[^>]*>(.*?)</text>', drawing)
    return [unescape(each) for each in found]


async def main() -> None:
    """Draw both, in both languages."""
    for try_page in (standalone, nonebot2):
        with tempfile.TemporaryDirectory() as directory:
            picture = await try_page(Path(directory))
        path, drawn = IMAGES / picture.file, draw(picture)
        path.write_text(drawn, encoding="utf-8")
        path.with_suffix(".zh.svg").write_text(translate(drawn), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
