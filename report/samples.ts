import type { EvalRun, Sample } from './readRun';

/** Prompts a language whose continuations the report shows. */
const SHOWN = 5;

export interface SampleRow {
  prompt: string;
  /** The same sample of each run. */
  samples: Sample[];
}

/** Sample 0 of a few prompts spread evenly over each language's, for every run: the same prompts whatever they scored. */
export function pickSamples(runs: readonly EvalRun[]): { language: string; rows: SampleRow[] }[] {
  const [base] = runs;
  return [...base.samples.keys()].sort().map((language) => {
    const indices = [...new Set(base.samples.get(language)!.map(({ promptIndex }) => promptIndex))];
    const count = Math.min(SHOWN, indices.length);
    const rows = Array.from({ length: count }, (_, i) => indices[Math.floor((i * indices.length) / count)]).flatMap((index) => {
      const samples = runs.map((run) => run.samples.get(language)?.find(({ promptIndex }) => promptIndex === index));
      const prompt = base.prompts.get(language)?.get(index);
      return prompt !== undefined && samples.every((sample) => sample !== undefined) ? [{ prompt, samples }] : [];
    });
    return { language, rows };
  });
}
