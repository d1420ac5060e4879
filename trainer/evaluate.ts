import * as tf from '@tensorflow/tfjs-core';
import { completionLengths } from '../datasets/pack';
import { pairLogProbs } from '../datasets/pairLogProbs';
import type { TokenizedPair } from '../datasets/types';
import { METRIC_NAMES, pairMetrics } from '../losses/metrics';
import type { LossOptions, PreferenceLoss } from '../losses/types';
import type { Model } from '../models/types';
import { silent, type Progress } from '../util/progress';
import type { ReferenceLogProbs } from './referenceLogProbs';
import { uploadSides } from './stepInputs';

export interface EvaluateOptions extends Omit<LossOptions, 'lengths'> {
  batchSize: number;
  /** What the tokens of a completion beyond the shorter one's length count, 1 without. */
  ldAlpha?: number | undefined;
  /** Whether pairs have WPO's weights. */
  useWeighting?: boolean;
}

/**
 * Loss and rewards over all evaluation pairs, each pair weighing the same, under TRL's names: `eval_loss`, `eval_rewards/margins`, … A loss
 * of whole batches is computed batch by batch, in the pairs' order.
 * @param reference log-probabilities of these pairs
 */
export async function evaluate(
  model: Model,
  pairs: readonly TokenizedPair[],
  reference: ReferenceLogProbs,
  loss: PreferenceLoss,
  { batchSize, beta, labelSmoothing, ldAlpha, useWeighting = false }: EvaluateOptions,
  progress: Progress = silent,
): Promise<Record<string, number>> {
  const policy = await pairLogProbs(model, pairs, batchSize, progress, 'evaluation', { tailWeight: ldAlpha, weighted: useWeighting });
  const lengths = completionLengths(pairs);
  const size = loss.ofBatch ? batchSize : pairs.length;
  const means = METRIC_NAMES.map(() => 0);
  for (let start = 0; start < pairs.length; start += size) {
    const end = Math.min(start + size, pairs.length);
    const row = tf.tidy(() => {
      const [sums, referenceSums, own] = [policy, reference, lengths].map(({ chosen, rejected }) =>
        uploadSides({ chosen: chosen.subarray(start, end), rejected: rejected.subarray(start, end) }),
      );
      const part = (values: Float32Array | undefined): tf.Tensor1D | undefined => values && tf.tensor1d(values.subarray(start, end));
      const policySums = { ...sums, wholeChosen: part(policy.wholeChosen), weights: part(policy.weights) };
      return pairMetrics(loss.compute(policySums, referenceSums, { beta, labelSmoothing, lengths: own }), policySums).dataSync();
    });
    row.forEach((mean, i) => (means[i] += (mean * (end - start)) / pairs.length));
  }
  return Object.fromEntries(METRIC_NAMES.map((name, i) => [`eval_${name}`, means[i]]));
}
