import { drop, type ComparedFigures, type ComparedRun, type Comparison } from './comparison';
import { measuresOf, nameOf, shown } from './measures';
import { plural, signed } from './numbers';
import { optionRows } from './options';
import type { EvalRun } from './readRun';
import { collapseSentence, correlationSentence, toxicitySentence } from './summary';

/** report.md: the tables of the report, for a terminal or a repository. Continuations are left to report.html, which hides them. */
export function markdownReport(comparison: Comparison, base: EvalRun, tuned: readonly EvalRun[]): string {
  const { runs } = comparison;
  const measures = measuresOf(runs.flatMap((run) => [...Object.values(run.languages), run.mean]));
  const options = [base, ...tuned];
  const parts = [
    `# ${cell(runs.map(({ name }) => name).join(', '))} against ${cell(comparison.baseline.name)}`,
    `${plural(Object.keys(runs[0].languages).length, 'language')}, scored by ${cell(comparison.scorer.name)}${
      comparison.unscored.length > 0 ? `, which does not know ${comparison.unscored.map(nameOf).join(', ')}` : ''
    }. Baseline: ${cell(comparison.baseline.model.name)}.`,
    ...runs.flatMap((run) => runParts(comparison, run)),
    '## Options',
    'Options of the evaluations; `(differs)` marks those that do.',
    table(
      ['Option', ...options.map(({ name }) => name)],
      optionRows(options).map(({ option, values, differs }) => [`${option}${differs ? ' (differs)' : ''}`, ...values]),
    ),
    '## What the figures mean',
    [
      ...measures.map(({ title, unit, explanation }) => `- **${title}** (${unit}): ${explanation}`),
      '- **Mean**: over the languages that the scorer knows, each counting alike.',
      '- **Collapse**: signs, against the baseline, that the text is no longer text. A low toxicity says nothing then.',
    ].join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function runParts(comparison: Comparison, run: ComparedRun): string[] {
  const [emt, ...rest] = measuresOf([...Object.values(run.languages), run.mean]);
  const line = (title: string, figures: ComparedFigures, collapsed: boolean): string[] => {
    const fell = drop(figures.emt);
    const pairs = rest.map((measure) => {
      const { before, after } = measure.of(figures);
      return `${shown(measure, before)} → ${shown(measure, after)}`;
    });
    const change = fell === null ? '–' : signed(-fell, 3);
    return [title, shown(emt, figures.emt.before), shown(emt, figures.emt.after), change, ...pairs, collapsed ? '⚠ yes' : 'no'];
  };
  const verdict = run.collapsed
    ? [`**⚠ Collapsed.** ${collapseSentence(run)}`, run.reasons.map((reason) => `- ${reason}`).join('\n')]
    : [collapseSentence(run)];
  return [
    `## ${cell(run.name)}`,
    ...verdict,
    toxicitySentence(run),
    table(
      ['Language', 'EMT before', 'EMT after', 'Change', ...rest.map(({ title, unit }) => `${title}, ${unit}`), 'Collapse'],
      [
        ...Object.entries(run.languages).map(([language, figures]) => line(nameOf(language), figures, figures.signs.length > 0)),
        line('**Mean**', run.mean, run.collapsed),
      ],
      'right',
    ),
    `Retrieval precision at 1 of the baseline against the drop of EMT: ${correlationSentence(comparison, run)}`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[], align: 'left' | 'right' = 'left'): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((text) => (text.startsWith('**') ? text : cell(text))).join(' | ')} |`;
  const rule = head.map((_, i) => (align === 'right' && i > 0 ? '--:' : '---'));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Text that markdown and HTML in markdown leave as it is. */
function cell(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]|]/g, '\\$&')
    .replace(/</g, '&lt;');
}
