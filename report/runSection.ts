import { retrievalPoints, type ComparedRun, type Comparison } from './comparison';
import { dumbbellChart } from './dumbbellChart';
import { html, trusted, type SafeHtml } from './htmlTemplate';
import { languageTable } from './htmlTables';
import { measuresOf, nameOf, shown, type Measure } from './measures';
import { decimal } from './numbers';
import { scatterChart } from './scatterChart';
import { collapseSentence, correlationSentence, toxicitySentence } from './summary';

/** What the page says of one run against the baseline. @param number the run's place on the page, from 1 */
export function runSection(comparison: Comparison, run: ComparedRun, number: number): SafeHtml {
  const measures = measuresOf([...Object.values(run.languages), run.mean]);
  return html`<section id="run-${number}">
    <h2>${run.name}</h2>
    ${banner(run)}
    <p>${toxicitySentence(run).replace(/ %/g, '\u00a0%')}</p>
    <div class="cards">
      ${measures.filter(({ short }) => short !== 'Average' && short !== 'Distinct').map((measure) => card(measure, run))}
    </div>
    ${emtFigure(comparison, run)}
    <h3>By language</h3>
    ${languageTable(run)} ${fluencyFigure(comparison, run)} ${retrievalFigure(comparison, run)}
  </section> `;
}

function banner(run: ComparedRun): SafeHtml {
  const signs = Object.entries(run.languages).filter(([, { signs }]) => signs.length > 0);
  if (run.collapsed)
    return html`<div class="banner collapsed" role="alert">
      <p><strong>⚠ Collapsed.</strong> ${collapseSentence(run)}</p>
      <ul>
        ${run.reasons.map((reason) => html`<li>${reason}</li>`)}
      </ul>
    </div>`;
  if (signs.length > 0)
    return html`<div class="banner warning">
      <p><strong>${collapseSentence(run)}</strong></p>
      <ul>
        ${signs.map(([language, figures]) => html`<li>${nameOf(language)}: ${figures.signs.join('; ')}</li>`)}
      </ul>
    </div>`;
  return html`<div class="banner">
    <p><strong>✓ ${collapseSentence(run)}</strong> Repetition, likelihood and variety of the text stay near the baseline's.</p>
  </div>`;
}

function card(measure: Measure, run: ComparedRun): SafeHtml {
  const { before, after } = measure.of(run.mean);
  return html`<div class="card">
    <div class="name">${measure.title}, ${measure.unit}</div>
    <div class="value">${shown(measure, after)}</div>
    <div class="from">baseline ${shown(measure, before)}</div>
  </div>`;
}

/** A chart at both widths, one of which the page shows. */
function figure(draw: (width: 'wide' | 'narrow') => string, caption: string, legend?: SafeHtml): SafeHtml {
  return html`<figure>
    ${legend}
    <div class="wide">${trusted(draw('wide'))}</div>
    <div class="narrow">${trusted(draw('narrow'))}</div>
    <figcaption>${caption}</figcaption>
  </figure>`;
}

function legendOf(comparison: Comparison, run: ComparedRun): SafeHtml {
  return html`<div class="legend">
    <span><i style="background:var(--before)"></i>${comparison.baseline.name}</span
    ><span><i style="background:var(--after)"></i>${run.name}</span>
  </div>`;
}

function emtFigure(comparison: Comparison, run: ComparedRun): SafeHtml | null {
  const rows = Object.entries(run.languages)
    .flatMap(([language, { emt }]) =>
      emt.before === null || emt.after === null ? [] : [{ label: nameOf(language), before: emt.before, after: emt.after }],
    )
    .sort((a, b) => b.before - b.after - (a.before - a.after));
  if (rows.length === 0) return null;
  const caption = 'Expected maximum toxicity by language, largest drop first.';
  return figure((width) => dumbbellChart(rows, 'expected maximum toxicity', width, caption), caption, legendOf(comparison, run));
}

function fluencyFigure(comparison: Comparison, run: ComparedRun): SafeHtml | null {
  const rows = Object.entries(run.languages)
    .map(([language, { repetition }]) => ({
      label: nameOf(language),
      before: 100 * (repetition.before ?? 0),
      after: 100 * (repetition.after ?? 0),
    }))
    .sort((a, b) => b.after - b.before - (a.after - a.before));
  const caption = 'Repetition by language, largest rise first. A collapsed model lies far to the right of its baseline.';
  return html`<details>
    <summary>Chart: repetition by language</summary>
    ${figure((width) => dumbbellChart(rows, 'repeated tokens, %', width, caption), caption, legendOf(comparison, run))}
  </details>`;
}

function retrievalFigure(comparison: Comparison, run: ComparedRun): SafeHtml {
  const points = retrievalPoints(comparison.retrieval, run.languages);
  const sentence = correlationSentence(comparison, run);
  const explanation =
    'Each point is a language other than English. Retrieval is measured on the baseline: how often a sentence finds its English translation by its hidden state (and the other way round), mean over layers.';
  const best = run.correlation?.bestLayer;
  const caption = `${sentence} ${explanation}${best ? ` With each language's best layer instead: r = ${decimal(best.pearson, 2)}, ρ = ${decimal(best.spearman, 2)}.` : ''}${
    run.collapsed ? ' The run has collapsed: its drops say nothing about transfer.' : ''
  }`;
  const heading = html`<h3>Does sentence retrieval predict the drop?</h3>`;
  if (points.length < 3)
    return html`${heading}
      <p>${sentence}</p>`;
  const axes = { x: 'retrieval precision at 1 of the baseline', y: 'drop of EMT' };
  const dots = points.map(({ language, mean, drop }) => ({ label: language, x: mean, y: drop }));
  return html`${heading}${figure((width) => scatterChart(dots, axes, width, `Drop of EMT against retrieval precision. ${sentence}`), caption)}`;
}
