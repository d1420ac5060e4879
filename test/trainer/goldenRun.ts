import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { batchOrder } from '../../datasets/batches';
import { currentEngine } from '../../engine/engine';
import { trainedWeights } from '../../models/adapters/attachAdapter';
import { disposeModel, loadModel } from '../../models/loadModel';
import { batchPlan } from '../../trainer/batchPlan';
import { evaluate } from '../../trainer/evaluate';
import { createOptimizer } from '../../trainer/optimizer';
import { referenceLogProbs } from '../../trainer/referenceLogProbs';
import { resolveRunConfig, type RunConfig } from '../../trainer/runConfig';
import { runLoss } from '../../trainer/runLoss';
import { train } from '../../trainer/train';
import { silent } from '../../util/progress';
import { goldenModels } from '../models/goldens';
import { goldenPairs, tokenizedGolden, type GoldenCase } from './trainingGolden';

/** Trains a case in the golden's order of pairs, with other options or from another model folder where given. @returns its log lines, its evaluation, and tensors left behind */
export async function goldenRun(golden: GoldenCase, steps: number, other: Partial<RunConfig> = {}) {
  const { batch_size: batchSize, beta } = golden;
  const cacheFolder = mkdtempSync(join(tmpdir(), 'train-test-'));
  const config = await resolveRunConfig({
    ...{ model: join(goldenModels, golden.model), train: 'golden', output: 'none', batchSize, beta, cache: cacheFolder },
    ...{ learningRate: golden.learning_rate, maxGradNorm: golden.max_grad_norm, weightDecay: golden.weight_decay },
    ...(golden.warmup_steps < 1 ? { warmupRatio: golden.warmup_steps } : { warmupSteps: golden.warmup_steps }),
    ...{ loss: String(golden.loss_type), labelSmoothing: golden.label_smoothing, lossWeights: golden.loss_weights?.join(',') },
    ...{
      discopopTau: golden.discopop_tau,
      ldAlpha: golden.ld_alpha,
      useWeighting: golden.use_weighting,
      fDivergenceType: golden.f_divergence_type,
      fAlphaDivergenceCoef: golden.f_alpha_divergence_coef,
    },
    gradientAccumulationSteps: golden.gradient_accumulation_steps,
    schedule: golden.lr_scheduler_type.replace('_with_warmup', ''),
    optimizer: golden.optim.replace('_torch', ''),
    ...other,
  });
  const pairs = await tokenizedGolden(goldenPairs.train, golden.max_length);
  const evalPairs = await tokenizedGolden(goldenPairs.evaluation, golden.max_length);
  const before = tf.memory().numTensors;
  const model = await loadModel(config.model, { trainable: true, cacheFolder });
  const options = { cacheFolder, batchSize, tailWeight: config.ldAlpha };
  const reference = (await referenceLogProbs(model, pairs, [...pairs.keys()], options))!;
  const evalReference = (await referenceLogProbs(model, evalPairs, [...evalPairs.keys()], options))!;
  const optimizer = await createOptimizer(config, trainedWeights(model));
  const loss = runLoss(config);
  const plan = batchPlan(pairs.length, { ...config, maxSteps: golden.steps.length });
  // pairs in their order, where a run shuffles them
  const inOrder = batchOrder(pairs.length, batchSize, config.seed, 0).map((batch, i) => batch.map((_, j) => i * batchSize + j));
  const batches = (step: number): number[][] => {
    const first = (step % plan.stepsPerEpoch) * config.gradientAccumulationSteps;
    return inOrder.slice(first, first + config.gradientAccumulationSteps);
  };
  const lines: Record<string, number>[] = [];
  const end = await train(
    {
      ...{ config, model, pairs, reference, optimizer, loss, progress: silent },
      // the schedule reaches to the golden's last step, however few are run
      plan: { ...plan, batches },
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
