"""What a browser can tell of how a page looks, in JavaScript."""

from __future__ import annotations

from typing import Any

from tests.support.devtools import Tab

_WIDER = """
[...document.body.querySelectorAll("*")].filter(each => {
  const box = each.getBoundingClientRect();
  return box.left < -0.5 || box.right > %d + 0.5;
}).map(each => each.outerHTML.slice(0, 200))
"""

_COLOURS = """
(() => {
  const parse = text => {
    const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return {parts: [red, green, blue], alpha};
  };
  const luminance = parts => {
    const [red, green, blue] = parts.map(each => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const {parts, alpha} = parse(getComputedStyle(each).backgroundColor);
      if (alpha === 1) return parts;
      if (alpha > 0) throw new Error("a half transparent background");
    }
    throw new Error("no background");
  };
  const texts = [], lines = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || element.closest("svg")) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = ratio(parse(style.color).parts, behind(element));
    texts.push({text, ratio: found, needed: isLarge ? 3 : 4.5});
  }
  for (const element of document.querySelectorAll("svg .top, svg .base")) {
    const found = ratio(parse(getComputedStyle(element).stroke).parts, behind(element));
    lines.push({text: element.outerHTML.slice(0, 100), ratio: found, needed: 3});
  }
  return {texts, lines, background: getComputedStyle(document.body).backgroundColor};
})()
"""


async def wider(tab: Tab, width: int) -> list[str]:
    """Return the elements that stick out of a screen."""
    found: list[str] = await tab.evaluate(_WIDER % width)
    return found


async def colours(tab: Tab) -> dict[str, Any]:
    """Return the contrast of each text and of each line, as WCAG 2 counts it, and what it needs."""
    found: dict[str, Any] = await tab.evaluate(_COLOURS)
    return found
