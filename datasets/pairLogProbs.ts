import * as tf from '@tensorflow/tfjs-core';
import { completionLogProbs, type Counting } from '../models/packedForward';
import type { Model } from '../models/types';
import { silent, type Progress } from '../util/progress';
import { packPairs, packedRows } from './pack';
import type { TokenizedPair } from './types';

/** Summed log-probabilities of every pair's two completions (their end-of-sequence token included), in the order of the pairs. */
export interface PairSums {
  chosen: Float32Array;
  rejected: Float32Array;
  /** The chosen completions' with all tokens counting the same, where tails count otherwise. */
  wholeChosen?: Float32Array;
  /** The pairs' weights, where they are asked for. */
  weights?: Float32Array;
}

/**
 * log p(completion | prompt) of every pair under `model`, without gradients.
 * Batches hold pairs of similar length, the longest first: little padding inside attention, and too little memory shows at once.
 * @param batchSize pairs at once
 * @param counting `tailWeight`: what the tokens of a completion beyond the shorter one's length count, 1 without
 */
export async function pairLogProbs(
  model: Model,
  pairs: readonly TokenizedPair[],
  batchSize: number,
  progress: Progress = silent,
  stage = 'log-probabilities of pairs',
  counting: Counting = {},
): Promise<PairSums> {
  const order = pairs.map((_, i) => i).sort((a, b) => packedRows(pairs[b]) - packedRows(pairs[a]) || a - b);
  const names: (keyof PairSums)[] = ['chosen', 'rejected'];
  if (counting.tailWeight !== undefined) names.push('wholeChosen');
  if (counting.weighted) names.push('weights');
  const values = Object.fromEntries(names.map((name) => [name, new Float32Array(pairs.length)])) as Record<keyof PairSums, Float32Array>;
  progress({ stage, done: 0, total: pairs.length });
  for (let start = 0; start < order.length; start += batchSize) {
    const batch = order.slice(start, start + batchSize);
    const sums = tf.tidy(() => {
      const packed = packPairs(
        batch.map((i) => pairs[i]),
        counting.tailWeight !== undefined,
      );
      const result = completionLogProbs(model, packed, false, counting);
      return names.map((name) => result[name]!);
    });
    const read = await Promise.all(sums.map((sum) => sum.data<'float32'>()));
    tf.dispose(sums);
    batch.forEach((pair, i) => names.forEach((name, n) => (values[name][pair] = read[n][i])));
    progress({ stage, done: start + batch.length, total: pairs.length });
  }
  return values;
}
