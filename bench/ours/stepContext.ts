import * as tf from '@tensorflow/tfjs-core';
import { batchSize } from '../../datasets/padBatch';
import { pairLogProbs } from '../../datasets/pairLogProbs';
import type { TokenizedPair } from '../../datasets/types';
import { currentEngine } from '../../engine/engine';
import { sigmoid } from '../../losses/sigmoid';
import { graphedGradients } from '../../trainer/graphedGradients';
import { lengthBuckets } from '../../trainer/lengthBuckets';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig } from '../../trainer/runConfig';
import { recordableStep, stepBatch, type BatchGradients, type StepBatch, type StepSource } from '../../trainer/stepInputs';
import type { StepContext } from '../../trainer/trainStep';
import { loadModel } from '../../models/loadModel';
import { readBenchPairs, readTexts } from '../pairs';
import type { Clock, Common } from './program';
import { randomGpt2, type Gpt2Shape } from './randomGpt2';

export const stepDefaults = {
  device: 'cpu',
  precision: 'float32' as Common['precision'],
  layers: 24,
  width: 2048,
  heads: 16,
  vocabulary: 100000,
  positions: 2048,
  batch: 4,
  runs: 20,
  warmup: 3,
  /** Whether the reference log-probabilities are known before the step. */
  precompute: true,
  /** Whether forward and backward pass are CUDA graphs, recorded before the first measured step. */
  graphs: false,
  pairs: 'pairs.json',
  /** A model's folder in place of the shape, and pairs as texts. */
  model: '',
  texts: '',
  clock: 'wall' as Clock,
};

export type StepOptions = Common & Gpt2Shape & typeof stepDefaults;

/** @throws Error where there are no CUDA graphs, or they give something else than what they record */
function recordedGradients(source: StepSource, pairs: readonly TokenizedPair[], steps: readonly number[][]): BatchGradients {
  const recorder = currentEngine().graphRecorder?.() ?? 'only a GPU has CUDA graphs';
  if (typeof recorder === 'string') throw new Error(recorder);
  const buckets = lengthBuckets(
    steps.map((indices) => batchSize(indices.map((i) => pairs[i]))),
    4,
  );
  const { gradients } = graphedGradients(recordableStep(source), pairs, buckets, recorder, (line) => {
    throw new Error(line);
  });
  // until every bucket's work is recorded and compared
  for (let round = 0; round < 3; round++) for (const indices of steps) tf.tidy(() => void gradients(stepBatch(pairs, indices)));
  return gradients;
}

/** A random model with its optimizer and reference log-probabilities, and the batch of each step. */
export async function prepareSteps(
  options: StepOptions,
): Promise<{ context: StepContext & { pairs: TokenizedPair[] }; batchAt: (step: number) => StepBatch }> {
  const model = options.model ? await loadModel(options.model, { trainable: true }) : randomGpt2(options);
  const all = options.model ? await readTexts(options.texts, options.model) : readBenchPairs(options.pairs, options.vocabulary);
  const pairs = all.slice(0, (options.runs + options.warmup) * options.batch);
  const reference = await pairLogProbs(model, pairs, options.batch);
  const config = await resolveRunConfig({
    model: 'bench',
    train: 'bench',
    output: 'bench',
    optimizer: 'rmsprop',
    beta: 0.1,
    maxGradNorm: 10,
  });
  const optimizer = await createOptimizer(config, model.weights);
  const indicesAt = (step: number): number[] => Array.from({ length: options.batch }, (_, i) => (step * options.batch + i) % pairs.length);
  const source = { config, model, reference, loss: sigmoid };
  const steps = Array.from({ length: options.runs + options.warmup }, (_, step) => indicesAt(step));
  return {
    context: { ...source, optimizer, pairs, ...(options.graphs && { gradients: recordedGradients(source, pairs, steps) }) },
    batchAt: (step) => stepBatch(pairs, indicesAt(step)),
  };
}
