"""A Sphinx extension for the search of Chinese pages: words are found without a dictionary.

Chinese is written without spaces. Sphinx cuts the pages into words by a dictionary, but not what a
reader looks for, so that two words together find nothing. Here both are cut into pairs of
neighbouring characters, and a page is found if it has all pairs.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

_HAN = r"\u3400-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_HAN}]+|[^\W{_HAN}]+")

# A pair that no page has, such as the end of one word with the beginning of the next, is not looked
# for; but where no page has any of the pairs, nothing must be found.
_SPLITTER = """
var splitQuery = (query) => {
  const { terms, titleterms } = Search._index;
  const runs = query.match(/[HAN]+|(?:(?![HAN])[\\p{Letter}\\p{Number}_])+/gu) || [];
  return runs.flatMap((run) => {
    if (!/^[HAN]/.test(run) || run.length === 1) return [run];
    const pairs = [...run].slice(1).map((_, place) => run.slice(place, place + 2));
    const known = pairs.filter((pair) => pair in terms || pair in titleterms);
    return known.length ? known : pairs;
  });
};
""".replace("HAN", _HAN)


def cut(text: str) -> list[str]:
    """Return the words of a text; of a run of Chinese, each character and each pair."""
    words = []
    for run in _RUN.findall(text):
        if re.match(f"[{_HAN}]", run):
            words += [*run, *map("".join, pairwise(run))]
        else:
            words.append(run)
    return words


class ChineseSearch(SearchEnglish):
    """Takes the place of Sphinx' own; English words are stemmed as on English pages."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = _SPLITTER

    def split(self, input: str) -> list[str]:
        """Return the words of a text of the pages."""
        return cut(input)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.add_search_language(ChineseSearch)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
