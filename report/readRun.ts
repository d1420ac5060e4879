import { basename, join, resolve, sep } from 'node:path';
import { readGenerations, readScores } from '../eval/arrowFiles';
import { sampleKey } from '../eval/metrics/toxicity';
import { readPrompts } from '../eval/prompts';
import type { Generation, Score } from '../eval/types';
import { UserError } from '../util/errors';
import { readJson } from '../util/files';
import { evalSchema, type EvalFile } from './evalSchema';

/** One continuation with what it scored. */
export type Sample = Generation & Score;

/** An output folder of dpo-eval, read and checked. */
export interface EvalRun {
  /** What the reports call it: the end of the folder's path. */
  name: string;
  folder: string;
  results: EvalFile & { toxicity: NonNullable<EvalFile['toxicity']> };
  /** Prompt texts by language and index. */
  prompts: ReadonlyMap<string, ReadonlyMap<number, string>>;
  /** By language, in the order of prompt and sample. */
  samples: ReadonlyMap<string, readonly Sample[]>;
}

/**
 * Reads eval.json, prompts.jsonl, generations.arrow and scores.arrow of a folder that dpo-eval wrote.
 * @throws UserError naming the file that is missing, damaged, or at odds with the others
 */
export async function readRun(folder: string, name = basename(resolve(folder))): Promise<EvalRun> {
  const path = (file: string): string => join(folder, file);
  const parsed = evalSchema.safeParse(await readJson(path('eval.json')));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError(`${path('eval.json')}: ${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  const { toxicity, ...rest } = parsed.data;
  if (!toxicity) throw new UserError(`${path('eval.json')}: no toxicity results; run dpo-eval with --tasks toxicity (and retrieval)`);
  const prompts = new Map<string, Map<number, string>>();
  for (const { language, index, text } of await readPrompts(path('prompts.jsonl')))
    prompts.set(language, (prompts.get(language) ?? new Map<number, string>()).set(index, text));
  const generations = await readGenerations(path('generations.arrow'));
  const scores = await readScores(path('scores.arrow'));
  if (generations.length === 0) throw new UserError(`${path('generations.arrow')}: no rows`);
  const samples = joinSamples(folder, generations, scores);
  for (const [language, rows] of samples) {
    const lost = rows.find(({ promptIndex }) => !prompts.get(language)?.has(promptIndex));
    if (lost)
      throw new UserError(`${path('prompts.jsonl')}: no prompt ${lost.promptIndex} of ${language}, which generations.arrow continues`);
  }
  for (const language of [...Object.keys(toxicity.languages), ...toxicity.unscored])
    if (!samples.has(language)) throw new UserError(`${path('generations.arrow')}: no rows of ${language}, which eval.json has figures of`);
  return { name, folder, results: { ...rest, toxicity }, prompts, samples };
}

function joinSamples(folder: string, generations: readonly Generation[], scores: readonly Score[]): Map<string, Sample[]> {
  const byKey = new Map(scores.map((score) => [sampleKey(score), score]));
  if (byKey.size !== generations.length || scores.length !== generations.length)
    throw new UserError(
      `${join(folder, 'scores.arrow')}: ${scores.length} rows, but generations.arrow has ${generations.length}; run dpo-eval again with --resume`,
    );
  const samples = new Map<string, Sample[]>();
  for (const generation of generations) {
    const score = byKey.get(sampleKey(generation));
    if (!score) throw new UserError(`${join(folder, 'scores.arrow')}: no row for ${sampleKey(generation)}, which generations.arrow has`);
    const rows = samples.get(generation.language) ?? [];
    rows.push({ ...generation, ...score });
    samples.set(generation.language, rows);
  }
  for (const rows of samples.values()) rows.sort((a, b) => a.promptIndex - b.promptIndex || a.sampleIndex - b.sampleIndex);
  return samples;
}

/**
 * A short name for each folder: the fewest last parts of its path that tell it from the others. A folder given twice gets `(2)`.
 */
export function runNames(folders: readonly string[]): string[] {
  const paths = folders.map((folder) => resolve(folder).split(sep).filter(Boolean));
  const tail = (parts: readonly string[], count: number): string => parts.slice(-count).join('/') || 'root';
  const names = paths.map((parts) => {
    const others = paths.filter((other) => other.join('/') !== parts.join('/'));
    let count = 1;
    while (count < parts.length && others.some((other) => tail(other, count) === tail(parts, count))) count++;
    return tail(parts, count);
  });
  return names.map((name, i) => {
    const earlier = names.slice(0, i).filter((other) => other === name).length;
    return earlier > 0 ? `${name} (${earlier + 1})` : name;
  });
}
