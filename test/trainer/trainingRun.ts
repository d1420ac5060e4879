import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveRunConfig } from '../../trainer/runConfig';
import { runTraining, type RunHost } from '../../trainer/runTraining';
import type { ProgressEvent } from '../../util/progress';
import { goldenModels } from '../models/goldens';
import { goldenPairs, trainingGoldens } from './trainingGolden';

/** A folder with the golden gpt2 and its pairs, and runs in it. */
export function trainingRuns(defaults: Readonly<Record<string, unknown>>) {
  const root = mkdtempSync(join(tmpdir(), 'training-runs-'));
  const model = join(root, 'base');
  cpSync(join(goldenModels, 'gpt2'), model, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, name), join(model, name));
  const jsonl = (name: string, pairs: readonly object[]): string => {
    const path = join(root, name);
    writeFileSync(path, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
    return path;
  };
  const train = jsonl('train.jsonl', goldenPairs.train);
  const evaluation = jsonl('eval.jsonl', goldenPairs.evaluation);

  /** Runs in `<root>/<name>`, told to stop once `stopAfter` steps are done; -1: at the first sign of life, which leaves no metrics. */
  async function run(
    name: string,
    options: Readonly<Record<string, unknown>> = {},
    stopAfter = Infinity,
    hear?: (event: ProgressEvent) => void,
  ) {
    const output = join(root, name);
    const config = await resolveRunConfig({ model, train, output, cache: join(root, 'cache'), ...defaults, ...options });
    const events: ProgressEvent[] = [];
    const said: string[] = [];
    const host: RunHost = {
      progress: (event) => {
        events.push(event);
        hear?.(event);
      },
      say: (line) => said.push(line),
      shouldStop: () => events.some(({ stage, done }) => stopAfter < 0 || (stage === 'training' && done >= stopAfter)),
    };
    const outcome = await runTraining(config, host);
    const log = join(output, 'metrics.jsonl');
    const metrics = existsSync(log) ? readFileSync(log, 'utf8') : '';
    const lines = metrics.split('\n').filter((line) => line !== '');
    return { output, outcome, events, said, metrics, lines: lines.map((line) => JSON.parse(line) as Record<string, number>) };
  }
  return { root, model, train, run, jsonl, evaluation, remove: () => rmSync(root, { recursive: true, force: true }) };
}
