"""The style sheet of a report."""

from __future__ import annotations

STYLE = """
:root{--ink:#1b1f24;--faint:#6a737d;--line:#d8dee4;--paper:#fff;--blue:#2f6db5;--warm:#c2661b}
@media(prefers-color-scheme:dark){:root{--ink:#d7dce2;--faint:#8b949e;--line:#30363d;
--paper:#12161b;--blue:#6ea8e8;--warm:#e39a57}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:64rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.7rem;margin:0}h2{font-size:1.2rem;margin:2.5rem 0 .6rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}h2 small,small,.note,figcaption{color:var(--faint)}
h2 small{font-weight:400}.note,figcaption{font-size:.85rem;margin:.4rem 0}
header p{margin:.2rem 0}header ul{margin:.6rem 0;padding-left:1.2rem;color:var(--warm)}
code{font:.85em ui-monospace,monospace}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid var(--line);
white-space:nowrap;vertical-align:middle}
th{font-weight:500;color:var(--faint);font-size:.85rem}
figure{margin:.6rem 0;overflow-x:auto}svg{vertical-align:middle;max-width:none}
summary{cursor:pointer;margin:1rem 0}
.pairs{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem 1rem}
.pairs figure{margin:0}.pairs img{width:100%;height:auto;display:block}
.pairs p{grid-column:1/-1;margin:0 0 1.2rem}
svg .int8{fill:var(--blue)}svg .float{fill:none;stroke:var(--warm)}
svg .seen{fill:var(--faint);opacity:.55}svg .track{fill:var(--line)}
svg .clip{stroke:var(--warm);stroke-width:1.5;fill:none}svg .axis{stroke:var(--line);fill:none}
svg .whisker{stroke:var(--ink);fill:none}
svg polyline{fill:none;stroke-width:1.8}
svg polyline.first{stroke:var(--blue)}svg polyline.second{stroke:var(--warm)}
svg circle.first{fill:var(--blue)}svg circle.second{fill:var(--warm)}
@media print{details{display:block}main{max-width:none}}
"""
