import type { EvalRun } from './readRun';

export interface OptionRow {
  option: string;
  /** One a run, in their order; `–` where a run has no such option. */
  values: string[];
  differs: boolean;
}

/** Every option of every run, the model and the scorers first; those that differ before those that do not. */
export function optionRows(runs: readonly EvalRun[]): OptionRow[] {
  const row = (option: string, valueOf: (run: EvalRun) => unknown): OptionRow => {
    const values = runs.map((run) => text(valueOf(run)));
    return { option, values, differs: new Set(values).size > 1 };
  };
  const names = [...new Set(runs.flatMap(({ results }) => Object.keys(results.options)))].sort();
  const rows = [
    row('model name', ({ results }) => results.model.name),
    row('model hash', ({ results }) => results.model.hash.slice(0, 12)),
    row('scorer and revision', ({ results }) => `${results.toxicity.scorer.name} ${results.toxicity.scorer.revision.slice(0, 12)}`),
    ...names.map((name) => row(name, ({ results }) => results.options[name])),
  ];
  return [...rows.filter(({ differs }) => differs), ...rows.filter(({ differs }) => !differs)];
}

function text(value: unknown): string {
  if (value === undefined || value === null) return '–';
  if (Array.isArray(value)) return value.map(text).join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
