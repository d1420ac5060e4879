import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { holdOut } from '../../datasets/holdOut';
import type { ProgressEvent } from '../../util/progress';
import { startTestEngine } from '../models/testEngine';
import { trainingRuns } from './trainingRun';
import { goldenPairs } from './trainingGolden';

const { root, run, jsonl, evaluation, remove } = trainingRuns({
  ...{ batchSize: 4, maxSteps: 7, learningRate: 1e-3, seed: 11, evalEverySteps: 3, saveEverySteps: 3 },
});
beforeAll(() => startTestEngine());
afterAll(remove);

const pairs = goldenPairs.train;
const modelBytes = (output: string): Buffer => readFileSync(join(output, 'model', 'model.safetensors'));

test('pairs held back are evaluated on and not trained on: the same run as one with both in files of their own', async () => {
  const { train, heldOut } = holdOut(pairs.length, 0.25, 11);
  const held = await run('held', { evalFraction: 0.25 });
  expect(held.said[0]).toBe(`${train.length} pairs to train on from ${join(root, 'train.jsonl')}, 5 held back to evaluate on`);
  expect(train.length).toBe(pairs.length - 5);
  const apart = await run('apart', {
    train: jsonl('apart.jsonl', train.map((i) => pairs[i])), // prettier-ignore
    eval: jsonl('apart-eval.jsonl', heldOut.map((i) => pairs[i])), // prettier-ignore
  });
  expect(held.lines.filter((line) => 'eval_loss' in line).map(({ step }) => step)).toEqual([3, 6, 7]);
  expect(held.lines.length).toBe(apart.lines.length);
  // the reference's log-probabilities come from other batches: rounding
  held.lines.forEach((line, i) => {
    for (const [name, value] of Object.entries(apart.lines[i]))
      if (!name.endsWith('accuracies')) expect([name, Math.abs(line[name] - value) < 1e-4]).toEqual([name, true]);
  });
});

test('stopped and resumed they are the same pairs; another share is another run', async () => {
  const whole = await run('whole', { evalFraction: 0.25 });
  await run('stopped', { evalFraction: 0.25 }, 4);
  await expect(run('stopped', { evalFraction: 0.3, resume: true })).rejects.toThrow(
    /--eval-fraction was 0.25, now 0.3; .* does not hold the/,
  );
  const resumed = await run('stopped', { evalFraction: 0.25, resume: true });
  expect(resumed.metrics).toBe(whole.metrics);
  expect(modelBytes(resumed.output)).toEqual(modelBytes(whole.output));
});

test('reference log-probabilities of a file are those of any share of it', async () => {
  const cache = join(root, 'own-cache');
  const computed = (events: ProgressEvent[]) =>
    Math.max(0, ...events.filter(({ stage }) => stage === 'reference log-probabilities').map(({ total }) => total));
  expect(computed((await run('all', { cache, maxSteps: 5 })).events)).toBe(pairs.length);
  expect(computed((await run('share', { cache, evalFraction: 0.25 })).events)).toBe(0);
  expect(computed((await run('other', { cache, evalFraction: 0.5, seed: 3 })).events)).toBe(0);
  // what is computed otherwise is another thing
  expect(computed((await run('tails', { cache, maxSteps: 1, ldAlpha: 0.5 })).events)).toBe(4);
});

test('refused: beside --eval, and where nothing is left to train on', async () => {
  await expect(run('both', { evalFraction: 0.1, eval: evaluation })).rejects.toThrow(
    `--eval-fraction 0.1 holds back pairs to evaluate on, and --eval ${evaluation} gives them: give one of them`,
  );
  const one = jsonl('one.jsonl', pairs.slice(0, 1));
  await expect(run('one', { train: one, evalFraction: 0.1 })).rejects.toThrow(
    `${one}: --eval-fraction 0.1 leaves none of its 1 pairs to train on`,
  );
  await expect(run('all', { evalFraction: 1 })).rejects.toThrow('--eval-fraction is 1: must be less than 1');
});
