import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { lossByName } from '../../losses/registry';
import { trainedWeights } from '../../models/adapters/attachAdapter';
import { disposeModel, loadModel } from '../../models/loadModel';
import { evaluate } from '../../trainer/evaluate';
import { createOptimizer } from '../../trainer/optimizer';
import { referenceLogProbs } from '../../trainer/referenceLogProbs';
import { resolveRunConfig } from '../../trainer/runConfig';
import { train } from '../../trainer/train';
import { silent } from '../../util/progress';
import { goldenModels } from '../models/goldens';
import { goldenPairs, tokenizedGolden, type GoldenCase } from './trainingGolden';

/** Trains a case in the golden's order of pairs, from another model folder where one is given. @returns its log lines, its evaluation, and tensors left behind */
export async function goldenRun(golden: GoldenCase, steps: number, folder = join(goldenModels, golden.model)) {
  const { batch_size: batchSize, beta } = golden;
  const cacheFolder = mkdtempSync(join(tmpdir(), 'train-test-'));
  const config = await resolveRunConfig({
    ...{ model: folder, train: 'golden', output: 'none', batchSize, beta, cache: cacheFolder },
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
  const optimizer = await createOptimizer(config.optimizer, trainedWeights(model));
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
  const weights = Object.fromEntries(
    Object.entries(trainedWeights(model)).map(([name, weight]) => [name, currentEngine().readParameter(weight)]),
  );
  disposeModel(model);
  optimizer.dispose();
  return { lines, evaluation, end, weights, leaked: tf.memory().numTensors - before };
}
