"""The style of the page, and the header that allows this style and nothing else."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark; --back: #fff; --panel: #f3f5f7; --line: #cdd3da; --text: #1b1f24;
  --quiet: #525a64; --bad: #a4161a; --bad-back: #fdeeee; --good: #17602f; --link: #0a4a9e;
  --area: #c9ddf5; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0e1116; --panel: #171b22; --line: #343b45; --text: #e8ecf1; --quiet: #a9b2bd;
    --bad: #ff9c94; --bad-back: #33191b; --good: #7bdc97; --link: #8cc2ff; --area: #23405f; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 60rem; padding: .75rem; background: var(--back);
  color: var(--text); font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { display: inline-block; margin: 0; font-size: 1.5rem; color: var(--bad); }
h1.good { color: var(--good); }
h2 { margin: 1.75rem 0 .5rem; font-size: 1.125rem; }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
p { margin: .25rem 0; }
a { color: var(--link); }
ul { margin: 0; padding: 0; list-style: none; }
nav { display: flex; flex-wrap: wrap; gap: 0 1rem; }
nav a, .links a { display: inline-block; padding: .4rem 0; }
.links { display: flex; flex-wrap: wrap; gap: 0 1rem; }
small, .quiet { color: var(--quiet); font-size: .875rem; }
b { font-weight: 600; }
/* Somebody else's text of another direction must not turn what stands around it. */
b, span, time { unicode-bidi: isolate; }
.bad { color: var(--bad); }
.problems { margin: .5rem 0; padding: .25rem .75rem; border-left: .3rem solid var(--bad);
  background: var(--bad-back); }
.problems a { display: inline-block; padding: .25rem 0; color: var(--bad); font-weight: 600; }
.items > li { padding: .4rem 0 .4rem .6rem; border-left: .2rem solid var(--line);
  margin: .3rem 0; }
.items > li.down { border-color: var(--bad); background: var(--bad-back); }
.items small { display: block; }
.down small { color: var(--text); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: .5rem 0; }
dt { color: var(--quiet); max-width: 45vw; }
dd { margin: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr));
  gap: .75rem; }
figure { display: flex; flex-direction: column; margin: 0; padding: .5rem .6rem;
  background: var(--panel); }
figcaption { display: flex; flex-wrap: wrap; gap: 0 .75rem; justify-content: space-between;
  margin-bottom: .3rem; }
figcaption span { font-size: .875rem; }
svg { display: block; width: 100%; height: 2.25rem; margin-top: auto; }
svg .area { fill: var(--area); }
svg .top { fill: none; stroke: var(--link); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
svg .bad-top { stroke: var(--bad); }
svg .base { stroke: var(--quiet); stroke-width: 1; vector-effect: non-scaling-stroke; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: normal; }
thead th { color: var(--quiet); font-size: .875rem; }
th:first-child { width: 46%; }
td small, th small { display: block; }
footer { margin-top: 2rem; }
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Allows this style and nothing else: no script, no picture, no form, no frame around the page."""
