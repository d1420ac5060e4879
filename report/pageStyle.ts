/** The page's whole style: light and dark, from phone to desk. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c2126; --muted: #606b76; --line: #e2e5e8;
  --before: #9aa5b1; --after: #0f7d78; --good: #0b6e4f; --bad: #b3261e; --alarm: #fdecea; --alarm-line: #d9473c; --mark: #fff6d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1b1f23; --ink: #e7eaed; --muted: #9aa5b0; --line: #30363c;
    --before: #7d8894; --after: #3fc1b8; --good: #5fcf9f; --bad: #ff8a80; --alarm: #3a1a18; --alarm-line: #e5554a; --mark: #3a3216;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.3rem); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 0.6rem; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1.4rem; letter-spacing: -0.01em; margin: 3.2rem 0 0.6rem; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 2.2rem 0 0.3rem; }
p { margin: 0.4rem 0 0.9rem; max-width: 46rem; }
a { color: var(--after); }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; margin: 1rem 0 0; font-size: 0.95rem; }
.eyebrow { color: var(--muted); font-size: 0.85rem; letter-spacing: 0.06em; text-transform: uppercase; margin: 0 0 0.4rem; }
.lead { font-size: 1.1rem; }
.note, figcaption, caption { color: var(--muted); font-size: 0.9rem; }
.banner { border: 1px solid var(--line); border-left: 6px solid var(--good); background: var(--card); border-radius: 8px; padding: 0.9rem 1.1rem; margin: 1.2rem 0; }
.banner p { margin: 0; }
.banner strong { font-size: 1.08rem; }
.banner.collapsed { border-color: var(--alarm-line); background: var(--alarm); }
.banner.collapsed strong { color: var(--bad); }
.banner.warning { border-left-color: #c98a00; }
.banner ul { margin: 0.5rem 0 0; padding-left: 1.2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.75rem; margin: 1.2rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 0.9rem; }
.card .name { color: var(--muted); font-size: 0.82rem; line-height: 1.3; }
.card .value { font-size: 1.45rem; font-weight: 600; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.card .from { color: var(--muted); font-size: 0.85rem; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0 1.6rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
figcaption { margin-top: 0.6rem; max-width: 46rem; }
.narrow { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; font-size: 0.9rem; margin-bottom: 0.4rem; color: var(--muted); }
.legend i { display: inline-block; width: 0.75rem; height: 0.75rem; border-radius: 50%; margin-right: 0.4rem; vertical-align: -0.06rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--card); margin: 0.8rem 0 1.6rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0.6rem 0.8rem; }
th, td { padding: 0.38rem 0.5rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; font-weight: 600; vertical-align: bottom; line-height: 1.25; white-space: normal; }
thead th small, td small { display: block; font-weight: 400; color: var(--muted); }
td small { font-size: 0.78rem; line-height: 1.2; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--card); z-index: 1; }
tbody th { font-weight: 500; }
tr.mean th, tr.mean td { border-top: 2px solid var(--muted); font-weight: 600; }
tr.broken th, tr.broken td, tr.broken th:first-child { background: var(--alarm); }
td .was { color: var(--muted); font-weight: 400; }
td.good { color: var(--good); } tr.broken td.good { color: inherit; } td.bad { color: var(--bad); }
.flag { color: var(--bad); font-weight: 700; }
td.text { text-align: left; white-space: normal; min-width: 14rem; }
table.options td, table.options th { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
table.options tr.differs td { background: var(--mark); }
details { border: 1px solid var(--line); border-radius: 8px; background: var(--card); margin: 0.6rem 0; padding: 0 0.9rem; }
summary { cursor: pointer; padding: 0.65rem 0; font-weight: 500; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--after); outline-offset: 2px; border-radius: 4px; }
details[open] { padding-bottom: 0.8rem; }
details details { background: transparent; }
.sample { border-top: 1px solid var(--line); padding: 0.8rem 0; }
.prompt { font-weight: 600; margin: 0 0 0.5rem; max-width: none; overflow-wrap: anywhere; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: 0.75rem; }
.side { border-left: 3px solid var(--after); padding-left: 0.7rem; min-width: 0; }
.side.base { border-left-color: var(--before); }
.side .who { font-size: 0.8rem; color: var(--muted); display: flex; justify-content: space-between; gap: 0.6rem; margin-bottom: 0.15rem; }
.side p { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
dl { margin: 0.8rem 0; } dt { font-weight: 600; margin-top: 0.7rem; } dd { margin: 0.1rem 0 0; max-width: 46rem; color: var(--muted); }
@media (max-width: 640px) {
  body { padding: 1.5rem 0.9rem 3rem; }
  figure { padding: 0.7rem 0.5rem; } figcaption { padding: 0 0.3rem; }
  .wide { display: none; } .narrow { display: block; }
  .cards { grid-template-columns: 1fr 1fr; }
  .card:first-child:nth-last-child(odd) { grid-column: span 2; }
  th, td { padding: 0.35rem 0.55rem; }
}
@media print { .scroll { overflow: visible; } body { max-width: none; } }
`;
