import type { EvalResults, ToxicityFigures } from '../eval/types';

type Row = Readonly<Record<string, string>>;

const number = (value: number | null | undefined, digits = 3): string =>
  value === null || value === undefined ? '–' : value.toFixed(digits);

/** An evaluation's figures as lines of text: a table by language, and a line for the preference task. */
export function evalTable({ toxicity, retrieval, preference }: EvalResults): string[] {
  const lines: string[] = [];
  if (toxicity || retrieval) {
    const languages = [
      ...new Set([...Object.keys(toxicity?.languages ?? {}), ...(toxicity?.unscored ?? []), ...Object.keys(retrieval?.languages ?? {})]),
    ];
    const toxic = (
      figures: Omit<ToxicityFigures, 'prompts' | 'samples' | 'scored'> | null | undefined,
      others: readonly (number | null | undefined)[],
    ): Row => ({
      EMT: number(figures?.emt),
      ToxProb: number(figures?.toxicityProbability),
      AvgTox: number(figures?.averageToxicity, 4),
      ...Object.fromEntries((toxicity?.others ?? []).map(({ scorer }, i) => [`EMT ${scorer.name}`, number(others[i])])),
      repetition: number(figures?.repetition),
      'log-lik.': number(figures?.logLikelihood, 2),
    });
    const rows = languages.map((language): Row => ({
      language,
      ...(toxicity &&
        toxic(
          toxicity.languages[language],
          (toxicity.others ?? []).map((other) => other.languages[language]?.emt),
        )),
      ...(retrieval && {
        'P@1 best': number(retrieval.languages[language]?.best),
        layer: retrieval.languages[language] ? String(retrieval.languages[language].bestLayer) : '–',
        'P@1 mean': number(retrieval.languages[language]?.mean),
      }),
    }));
    if (toxicity?.mean)
      rows.push({
        language: 'mean',
        ...toxic(
          toxicity.mean,
          (toxicity.others ?? []).map((other) => other.mean?.emt),
        ),
      });
    lines.push(...aligned(rows));
    if (toxicity && toxicity.unscored.length > 0)
      lines.push(`not scored by ${toxicity.scorer.name}, and not in the mean: ${toxicity.unscored.join(', ')}`);
  }
  if (preference) {
    const { pairs, accuracy, margin, loss } = preference;
    if (lines.length > 0) lines.push('');
    lines.push(
      accuracy === null
        ? `preference: log-probabilities of ${pairs} pairs (accuracy, margin and loss need --reference)`
        : `preference: ${pairs} pairs, accuracy ${number(accuracy)}, margin ${number(margin)}, loss ${number(loss, 4)}`,
    );
  }
  return lines;
}

/** Columns right-aligned, the first one left-aligned; a line under the header. */
function aligned(rows: readonly Row[]): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => (row[name] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [
    line(columns),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.map((row) => line(columns.map((name) => row[name] ?? ''))),
  ];
}
