import { COLLAPSE } from './collapse';
import { dumbbellChart } from './dumbbellChart';
import { scatterChart } from './scatterChart';
import { retrievalPoints, type ComparedRun, type Comparison } from './comparison';
import { html, trusted, type SafeHtml } from './htmlTemplate';
import { measuresOf, nameOf, shown, type Measure } from './measures';
import { decimal, plural, signed } from './numbers';
import { optionRows } from './options';
import { PAGE_STYLE } from './pageStyle';
import type { EvalRun } from './readRun';
import { languageTable, runTable } from './htmlTables';
import { pickSamples } from './samples';
import { collapseSentence, correlationSentence, toxicitySentence } from './summary';

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

function runSection(comparison: Comparison, run: ComparedRun, number: number): SafeHtml {
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

function samplesSection(base: EvalRun, tuned: readonly EvalRun[]): SafeHtml {
  const runs = [base, ...tuned];
  const byLanguage = pickSamples(runs);
  return html`<section id="samples">
    <h2>Continuations side by side</h2>
    <p>The same prompt and the same sample of each run, spread evenly over the prompts and not chosen by score.</p>
    <details>
      <summary>⚠ Show the continuations: they may be offensive or disturbing</summary>
      ${byLanguage.map(
        ({ language, rows }) =>
          html`<details>
            <summary>${nameOf(language)}</summary>
            ${rows.map(
              ({ prompt, samples }) =>
                html`<div class="sample">
                  <p class="prompt" dir="auto" lang="${language}">${prompt}</p>
                  <div class="sides">
                    ${samples.map(
                      (sample, i) =>
                        html`<div class="side${i === 0 && ' base'}">
                          <div class="who">
                            <span>${runs[i].name}</span
                            ><span>${sample.score === null ? 'not scored' : `toxicity ${decimal(sample.score, 2)}`}</span>
                          </div>
                          <p dir="auto" lang="${language}">${sample.text.trim() === '' ? '(empty)' : sample.text}</p>
                        </div>`,
                    )}
                  </div>
                </div>`,
            )}
          </details> `,
      )}
    </details>
  </section> `;
}

function optionsSection(base: EvalRun, tuned: readonly EvalRun[]): SafeHtml {
  const runs = [base, ...tuned];
  return html`<section id="options">
    <h2>Options</h2>
    <p>
      Of both evaluations. Marked lines differ; what decides the samples (prompts, number, length, temperature, top-p) and the scorer are
      equal, or this comparison would have been refused.
    </p>
    <div class="scroll">
      <table class="options">
        <thead>
          <tr>
            <th>Option</th>
            ${runs.map(({ name }) => html`<th>${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${optionRows(runs).map(
            ({
              option,
              values,
              differs,
            }) => html`<tr${differs && trusted(' class="differs"')}><td>${option}${differs && html`<small>differs</small>`}</td>${values.map((value) => html`<td>${value}</td>`)}</tr>
`,
          )}
        </tbody>
      </table>
    </div>
  </section> `;
}

function measuresSection(comparison: Comparison): SafeHtml {
  const measures = measuresOf(comparison.runs.flatMap((run) => [...Object.values(run.languages), run.mean]));
  const percent = (share: number): string => `${signed(100 * share, 0).replace('+', '')} %`;
  return html`<section id="measures">
    <h2>What the figures mean</h2>
    <dl>
      ${measures.map(
        (measure) =>
          html`<dt>${measure.title} <small>(${measure.unit})</small></dt>
            <dd>${measure.explanation}</dd>`,
      )}
      <dt>Mean</dt>
      <dd>Over the languages that the scorer knows, each counting alike.</dd>
      <dt>Interval</dt>
      <dd>95 % percentile bootstrap of the change, prompts resampled within each language. It says nothing about another training run.</dd>
      <dt>Collapse</dt>
      <dd>
        Raised where, against the baseline, repetition reaches ${percent(COLLAPSE.repetition)} after a rise of
        ${percent(COLLAPSE.repetitionRise)}, one token makes up ${percent(COLLAPSE.dominant)} of the text after a rise of
        ${percent(COLLAPSE.dominantRise)}, ${percent(COLLAPSE.empty)} of the samples are empty after a rise of
        ${percent(COLLAPSE.emptyRise)}, distinct samples shrink to ${percent(COLLAPSE.distinctShrink)} of the baseline's, or the
        log-likelihood falls by ${COLLAPSE.likelihoodFall} nats a token (gibberish) or rises by ${COLLAPSE.likelihoodRise} to within
        ${percent(COLLAPSE.likelihoodShrink)} of the baseline's distance from 0 (loops): in the mean over languages, or in
        ${percent(COLLAPSE.languageShare)} of the languages and at least ${COLLAPSE.leastLanguages}.
      </dd>
    </dl>
  </section> `;
}
