import { pairLogProbs } from '../../datasets/pairLogProbs';
import type { TokenizedPair } from '../../datasets/types';
import { sigmoid } from '../../losses/sigmoid';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig } from '../../trainer/runConfig';
import { stepBatch, type StepBatch } from '../../trainer/stepInputs';
import type { StepContext } from '../../trainer/trainStep';
import { loadModel } from '../../models/loadModel';
import { readBenchPairs, readTexts } from '../pairs';
import type { Common } from './program';
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
  pairs: 'pairs.json',
  /** A model's folder in place of the shape, and pairs as texts. */
  model: '',
  texts: '',
};

export type StepOptions = Common & Gpt2Shape & typeof stepDefaults;

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
  return {
    context: { config, model, reference, optimizer, loss: sigmoid, pairs },
    batchAt: (step) => {
      const indices = Array.from({ length: options.batch }, (_, i) => (step * options.batch + i) % pairs.length);
      return stepBatch(pairs, indices);
    },
  };
}
