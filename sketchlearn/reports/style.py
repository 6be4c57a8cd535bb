"""How pages look: light or dark as the reader has it, narrow or wide, and on paper."""

STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --note: #fff6e0;
  --mark: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa4af; --line: #3a424c; --paper: #14181d; --note: #33290f;
    --mark: #56a9e0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
p.note { background: var(--note); border-left: 4px solid #e69f00; padding: .5rem .8rem; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: right; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
tbody th { font-weight: 400; text-align: left; }
thead th:first-child { text-align: left; }
table.values th, table.values td { text-align: left; white-space: normal;
  overflow-wrap: anywhere; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { flex: 1 1 20rem; min-width: 0; max-width: 30rem; margin: .5rem 0; }
figure svg { width: 100%; height: auto; color: var(--ink); }
figcaption { color: var(--soft); font-size: .92rem; }
.sketchlearn-report ul { padding-left: 1.2rem; }
footer { margin: 3rem 0 1rem; color: var(--soft); font-size: .9rem; }
@media print {
  :root { --ink: #000000; --soft: #444444; --line: #bbbbbb; --paper: #ffffff; --note: #ffffff;
    --mark: #0072b2; }
  section { break-inside: avoid-page; }
  .wide { overflow: visible; }
  table { font-size: .8rem; }
}
"""
