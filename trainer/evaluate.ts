import * as tf from '@tensorflow/tfjs-core';
import { completionLengths } from '../datasets/pack';
import { pairLogProbs } from '../datasets/pairLogProbs';
import type { TokenizedPair } from '../datasets/types';
import { namedMetrics, pairMetrics } from '../losses/metrics';
import type { LossOptions, PreferenceLoss } from '../losses/types';
import type { Model } from '../models/types';
import { silent, type Progress } from '../util/progress';
import type { ReferenceLogProbs } from './referenceLogProbs';
import { uploadSides } from './stepInputs';

export interface EvaluateOptions extends Omit<LossOptions, 'lengths'> {
  batchSize: number;
}

/**
 * Loss and rewards over all evaluation pairs, each pair weighing the same, under TRL's names: `eval_loss`, `eval_rewards/margins`, …
 * @param reference log-probabilities of these pairs
 */
export async function evaluate(
  model: Model,
  pairs: readonly TokenizedPair[],
  reference: ReferenceLogProbs,
  loss: PreferenceLoss,
  { batchSize, beta, labelSmoothing }: EvaluateOptions,
  progress: Progress = silent,
): Promise<Record<string, number>> {
  const policy = await pairLogProbs(model, pairs, batchSize, progress, 'evaluation');
  const row = tf.tidy(() => {
    const policySums = uploadSides(policy);
    const lengths = uploadSides(completionLengths(pairs));
    return pairMetrics(loss.compute(policySums, uploadSides(reference), { beta, labelSmoothing, lengths }), policySums).dataSync();
  });
  return Object.fromEntries(Object.entries(namedMetrics([row])).map(([name, value]) => [`eval_${name}`, value]));
}
