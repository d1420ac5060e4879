import { drop, type ComparedFigures, type ComparedRun, type Comparison } from './comparison';
import { html, type SafeHtml } from './htmlTemplate';
import { measuresOf, nameOf, shown, type Measure } from './measures';
import { signed } from './numbers';

interface Row {
  title: SafeHtml | string;
  figures: ComparedFigures;
  /** Signs of collapse in words; null where there are none. */
  signs: string | null;
  isMean?: boolean;
}

/** One run: a row a language and their mean. */
export function languageTable(run: ComparedRun): SafeHtml {
  const rows = Object.entries(run.languages).map(([language, figures]): Row => {
    return { title: nameOf(language), figures, signs: figures.signs.join('; ') || null };
  });
  return figuresTable('Language', [
    ...rows,
    { title: 'Mean', figures: run.mean, signs: run.collapsed ? run.reasons.join('; ') : null, isMean: true },
  ]);
}

/** All runs: a row each with the means over languages. */
export function runTable({ runs }: Comparison): SafeHtml {
  return figuresTable(
    'Run',
    runs.map((run, i) => ({
      title: html`<a href="#run-${i + 1}">${run.name}</a>`,
      figures: run.mean,
      signs: run.collapsed ? run.reasons.join('; ') : null,
    })),
  );
}

/** EMT in three columns, the other measures as before → after, the collapse flag in front and behind. */
function figuresTable(first: string, rows: readonly Row[]): SafeHtml {
  const [emt, ...rest] = measuresOf(rows.map(({ figures }) => figures));
  const head = [
    { title: 'EMT before', unit: emt.unit },
    { title: 'EMT after', unit: emt.unit },
    { title: 'EMT change', unit: '95 % interval' },
    ...rest,
    { title: 'Collapse', unit: '' },
  ];
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Figures by ${first.toLowerCase()}">
    <table>
      <thead>
        <tr>
          <th scope="col">${first}</th>
          ${head.map(({ title, unit }) => html`<th scope="col">${title}<small>${unit}</small></th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ title, figures, signs, isMean }) =>
            html`<tr class="${[signs !== null && 'broken', isMean && 'mean'].filter(Boolean).join(' ')}">
              <th scope="row">${signs !== null && html`<span class="flag">⚠</span> `}${title}</th>
              <td>${shown(emt, figures.emt.before)}</td>
              <td>${shown(emt, figures.emt.after)}</td>
              ${changeCell(figures)} ${rest.map((measure) => pairCell(measure, figures))}
              <td>${signs === null ? 'no' : html`<span class="flag" title="${signs}">YES</span>`}</td>
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

function changeCell({ emt, emtDropInterval }: ComparedFigures): SafeHtml {
  const fell = drop(emt);
  if (fell === null) return html`<td>–</td>`;
  const kind = fell > 0.0005 ? 'good' : fell < -0.0005 ? 'bad' : '';
  const interval = emtDropInterval && html`<small>${signed(-emtDropInterval[1], 2)} to ${signed(-emtDropInterval[0], 2)}</small>`;
  return html`<td class="${kind}">${signed(-fell, 3)}${interval}</td>`;
}

function pairCell(measure: Measure, figures: ComparedFigures): SafeHtml {
  const { before, after } = measure.of(figures);
  if (before === null && after === null) return html`<td>–</td>`;
  return html`<td><span class="was">${shown(measure, before)} →</span> ${shown(measure, after)}</td>`;
}
