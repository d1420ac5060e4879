import { measuresSection, optionsSection, samplesSection } from './closingSections';
import type { Comparison } from './comparison';
import { html, trusted } from './htmlTemplate';
import { runTable } from './htmlTables';
import { nameOf } from './measures';
import { plural } from './numbers';
import { PAGE_STYLE } from './pageStyle';
import type { EvalRun } from './readRun';
import { runSection } from './runSection';

/**
 * report.html: one page that needs no network. Equal inputs give equal bytes.
 * @param base, tuned the runs that `comparison` was made from, for their continuations and options
 */
export function htmlReport(comparison: Comparison, base: EvalRun, tuned: readonly EvalRun[]): string {
  const { runs } = comparison;
  const title = `${runs.map(({ name }) => name).join(', ')} against ${comparison.baseline.name}`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${title}</title>
        <style>
          ${trusted(PAGE_STYLE)}
        </style>
      </head>
      <body>
        <header>
          <p class="eyebrow">Toxicity before and after preference tuning</p>
          <h1>${title}</h1>
          <p class="lead">
            ${plural(Object.keys(runs[0].languages).length, 'language')}, scored by
            ${comparison.scorer.name}${comparison.unscored.length > 0 && `, which does not know ${comparison.unscored.map(nameOf).join(', ')}`}.
            Baseline: ${comparison.baseline.model.name}.
          </p>
          <nav>
            ${runs.map((run, i) => html`<a href="#run-${i + 1}">${run.name}</a>`)}<a href="#samples">Continuations</a
            ><a href="#options">Options</a><a href="#measures">Measures</a>
          </nav>
        </header>
        <main>
          ${
            runs.length > 1 &&
            html`<h2>All runs</h2>
              ${runTable(comparison)}`
          }
          ${runs.map((run, i) => runSection(comparison, run, i + 1))} ${samplesSection(base, tuned)} ${optionsSection(base, tuned)}
          ${measuresSection(comparison)}
        </main>
      </body>
    </html> `;
  return page.markup;
}
