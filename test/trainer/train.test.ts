import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { lossByName } from '../../losses/registry';
import { disposeModel, loadModel } from '../../models/loadModel';
import { evaluate } from '../../trainer/evaluate';
import { createOptimizer } from '../../trainer/optimizer';
import { referenceLogProbs } from '../../trainer/referenceLogProbs';
import { resolveRunConfig } from '../../trainer/runConfig';
import { train } from '../../trainer/train';
import { silent } from '../../util/progress';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';
import { goldenCases, goldenPairs, tokenizedGolden, type GoldenCase } from './trainingGolden';

/** Trains a case in the golden's order of pairs. @returns its log lines, its evaluation, and tensors left behind */
async function run(golden: GoldenCase, steps: number) {
  const { batch_size: batchSize, beta } = golden;
  const cacheFolder = mkdtempSync(join(tmpdir(), 'train-test-'));
  const config = await resolveRunConfig({
    ...{ model: join(goldenModels, golden.model), train: 'golden', output: 'none', batchSize, beta, cache: cacheFolder },
    ...{ learningRate: golden.learning_rate, warmupSteps: golden.warmup_steps, maxGradNorm: golden.max_grad_norm },
    schedule: golden.lr_scheduler_type === 'linear' ? 'linear' : 'constant',
    optimizer: golden.optim === 'rmsprop' ? 'rmsprop' : 'adamw',
  });
  const pairs = await tokenizedGolden(goldenPairs.train);
  const evalPairs = await tokenizedGolden(goldenPairs.evaluation);
  const before = tf.memory().numTensors;
  const model = await loadModel(config.model, { trainable: true, cacheFolder });
  const options = { cacheFolder, batchSize };
  const reference = (await referenceLogProbs(model, pairs, [...pairs.keys()], options))!;
  const evalReference = (await referenceLogProbs(model, evalPairs, [...evalPairs.keys()], options))!;
  const optimizer = await createOptimizer(config.optimizer, model.weights);
  const loss = lossByName(golden.loss_type);
  const stepsPerEpoch = Math.ceil(pairs.length / batchSize);
  const batch = (step: number): number[] =>
    [...pairs.keys()].slice((step % stepsPerEpoch) * batchSize, ((step % stepsPerEpoch) + 1) * batchSize);
  const lines: Record<string, number>[] = [];
  const end = await train(
    {
      ...{ config, model, pairs, reference, optimizer, loss, progress: silent },
      // the schedule reaches to the golden's last step, however few are run
      plan: { totalSteps: golden.steps.length, stepsPerEpoch, batch },
      log: (line) => lines.push(line),
      save: () => Promise.reject(new Error('nothing is to be saved')),
      shouldStop: () => lines.length >= steps,
    },
    { step: 0, numTokens: 0, window: [] },
  );
  const evaluation = await evaluate(model, evalPairs, evalReference, loss, config);
  disposeModel(model);
  optimizer.dispose();
  return { lines, evaluation, end, leaked: tf.memory().numTensors - before };
}

const expectClose = (actual: Record<string, number>, expected: Record<string, number>): void => {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [key, value] of Object.entries(expected)) {
    // policy = reference: every pair is a tie, broken by rounding since the cached reference comes from other batches
    if (key === 'rewards/accuracies' && expected['rewards/margins'] === 0) continue;
    const error = Math.abs(actual[key] - value) / Math.max(1, Math.abs(value));
    if (!(error <= 1e-4)) throw new Error(`step ${expected.step}: ${key} is ${actual[key]}, TRL has ${value}`);
  }
};

describe('libtorch', () => {
  beforeAll(() => startTestEngine('torch'));

  test.each(goldenCases)("every figure of every step equals TRL's: $name", async (golden) => {
    const { lines, evaluation, end, leaked } = await run(golden, golden.steps.length);
    expect(lines.length).toBe(golden.steps.length);
    lines.forEach((line, i) => expectClose(line, golden.steps[i]));
    expectClose(evaluation, golden.evaluation);
    expect(end).toEqual({ step: golden.steps.length, numTokens: golden.steps.at(-1)!.num_tokens, window: [] });
    expect(leaked).toBe(0);
  });

  test('the first loss is ln 2 to the last digits, since the policy is its reference', async () => {
    const { lines } = await run(goldenCases[0], 1);
    expect(Math.abs(lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  });
});

describe("tfjs's own backend", () => {
  beforeAll(() => startTestEngine('tfjs'));

  test('gives the same', async () => {
    const { lines, leaked } = await run(goldenCases[0], 4);
    expect(lines.length).toBe(4);
    lines.forEach((line, i) => expectClose(line, goldenCases[0].steps[i]));
    expect(leaked).toBe(0);
  });
});
