import { COLLAPSE } from './collapse';
import type { Comparison } from './comparison';
import { html, trusted, type SafeHtml } from './htmlTemplate';
import { measuresOf, nameOf } from './measures';
import { decimal, signed } from './numbers';
import { optionRows } from './options';
import type { EvalRun } from './readRun';
import { pickSamples } from './samples';

/** Continuations of all runs beside one another, folded away. */
export function samplesSection(base: EvalRun, tuned: readonly EvalRun[]): SafeHtml {
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

/** The options of the evaluations, those that differ marked. */
export function optionsSection(base: EvalRun, tuned: readonly EvalRun[]): SafeHtml {
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

/** What each figure means, and when a model counts as collapsed. */
export function measuresSection(comparison: Comparison): SafeHtml {
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
