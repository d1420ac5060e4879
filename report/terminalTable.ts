import Table from 'cli-table3';
import { drop, type ComparedFigures, type ComparedRun } from './comparison';
import { measuresOf, nameOf, shown, type Measure } from './measures';
import { signed } from './numbers';
import { collapseSentence, toxicitySentence } from './summary';

export interface TableOptions {
  /** Whether to use ANSI colours: on a terminal. */
  color?: boolean;
}

/**
 * One run against the baseline for a terminal of 100 columns: a line a language, then the mean, then what it amounts to.
 * The columns: EMT before, after and its change; toxicity probability, hits of further scorers, repetition and log-likelihood, each before → after;
 * the collapse flag.
 */
export function terminalTable(run: ComparedRun, options: TableOptions = {}): string {
  const paint = (code: number, text: string): string => (options.color && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  const rows = [...Object.values(run.languages), run.mean];
  const [emt, ...rest] = measuresOf(rows).filter(({ short }) => short !== 'Average' && short !== 'Distinct');
  const table = new Table({
    chars: { ...BLANK, mid: '─', 'mid-mid': '─', 'left-mid': '', 'right-mid': '' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: ['left', 'right', 'right', 'right', ...rest.map(() => 'right' as const), 'left'],
    head: [
      'Language',
      'EMT\nbefore',
      '\nafter',
      '\nchange',
      ...rest.map(({ short, unit }) => `${short}\n${UNITS[unit] ?? unit}`),
      'Collapse',
    ],
  });
  const line = (title: string, figures: ComparedFigures, flag: string): string[] => {
    const change = emt.of(figures);
    const fell = drop(change);
    const colored = fell === null ? '–' : paint(fell > 0.0005 ? 32 : fell < -0.0005 ? 31 : 0, signed(-fell, 3));
    return [
      title,
      shown(emt, change.before),
      shown(emt, change.after),
      colored,
      ...rest.map((measure) => pair(measure, figures)),
      paint(31, flag),
    ];
  };
  for (const [language, figures] of Object.entries(run.languages))
    table.push(line(nameOf(language), figures, figures.signs.length > 0 ? '⚠ yes' : ''));
  table.push(line(paint(1, 'Mean'), run.mean, run.collapsed ? '⚠ YES' : 'no'));
  const lines = compact(table.toString(), rows.length);
  const verdict = run.collapsed
    ? paint(31, `⚠ ${collapseSentence(run)}`) + run.reasons.map((reason) => `\n  - ${reason}`).join('')
    : collapseSentence(run);
  return `${lines}\n${toxicitySentence(run)}\n${verdict}`;
}

const UNITS: Readonly<Record<string, string>> = { '% of prompts': '% prompts', '% of tokens': '% tokens', 'nats a token': 'nats/token' };

const BLANK = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  right: '',
  middle: '  ',
};

function pair(measure: Measure, figures: ComparedFigures): string {
  const { before, after } = measure.of(figures);
  return before === null && after === null ? '–' : `${shown(measure, before)} → ${shown(measure, after)}`;
}

/** Keeps the rules under the head and above the mean, drops those between languages and blanks at line ends. */
function compact(table: string, rows: number): string {
  const lines = table.split('\n').map((line) => line.trimEnd());
  const rules = lines.flatMap((line, i) => (/^─+$/.test(line) ? [i] : []));
  const kept = new Set([rules[0], rules[rows - 1]]);
  return lines.filter((_, i) => !rules.includes(i) || kept.has(i)).join('\n');
}
