import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { lossByName } from '../../losses/registry';
import { disposeModel, loadModel } from '../../models/loadModel';
import { evaluate } from '../../trainer/evaluate';
import { createOptimizer } from '../../trainer/optimizer';
import { referenceLogProbs } from '../../trainer/referenceLogProbs';
import { resolveRunConfig, type RunConfig } from '../../trainer/runConfig';
import { train } from '../../trainer/train';
import { silent } from '../../util/progress';
import { goldenModels } from '../models/goldens';
import { goldenPairs, tokenizedGolden, type GoldenCase } from './trainingGolden';

/** Trains a case in the golden's order of pairs, with other options where given. @returns its log lines, its evaluation, and tensors left behind */
export async function goldenRun(golden: GoldenCase, steps: number, other: Partial<RunConfig> = {}) {
  const { batch_size: batchSize, beta } = golden;
  const cacheFolder = mkdtempSync(join(tmpdir(), 'train-test-'));
  const config = await resolveRunConfig({
    ...{ model: join(goldenModels, golden.model), train: 'golden', output: 'none', batchSize, beta, cache: cacheFolder },
    ...{ learningRate: golden.learning_rate, warmupSteps: golden.warmup_steps, maxGradNorm: golden.max_grad_norm },
    schedule: golden.lr_scheduler_type === 'linear' ? 'linear' : 'constant',
    optimizer: golden.optim === 'rmsprop' ? 'rmsprop' : 'adamw',
    ...other,
  });
  const pairs = await tokenizedGolden(goldenPairs.train);
  const evalPairs = await tokenizedGolden(goldenPairs.evaluation);
  const before = tf.memory().numTensors;
  const model = await loadModel(config.model, { trainable: true, cacheFolder });
  const options = { cacheFolder, batchSize };
  const reference = (await referenceLogProbs(model, pairs, [...pairs.keys()], options))!;
  const evalReference = (await referenceLogProbs(model, evalPairs, [...evalPairs.keys()], options))!;
  const optimizer = await createOptimizer(config, model.weights);
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
