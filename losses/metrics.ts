import * as tf from '@tensorflow/tfjs-core';
import type { LossResult, PairLogProbs } from './types';

/** What is logged of a batch, in the order of `pairMetrics`; the names are TRL's. */
export const METRIC_NAMES = [
  'loss',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/accuracies',
  'rewards/margins',
  'logps/chosen',
  'logps/rejected',
] as const;

export type MetricName = (typeof METRIC_NAMES)[number];

/**
 * The batch means of loss, rewards, accuracy (share of pairs whose chosen reward is the larger), margin and log-probabilities.
 * @returns [7], in one tensor, so that a single transfer reads them all
 */
export function pairMetrics(result: LossResult, policy: PairLogProbs): tf.Tensor1D {
  const { losses, chosenRewards, rejectedRewards } = result;
  const accuracies = tf.cast(tf.greater(chosenRewards, rejectedRewards), 'float32');
  const margins = tf.sub(chosenRewards, rejectedRewards);
  return tf.mean(tf.stack([losses, chosenRewards, rejectedRewards, accuracies, margins, policy.chosen, policy.rejected]), 1) as tf.Tensor1D;
}

/** The mean of several batches' `pairMetrics` by name, each batch weighing the same, as TRL's between two log lines. */
export function namedMetrics(rows: readonly ArrayLike<number>[]): Record<MetricName, number> {
  const mean = (i: number): number => rows.reduce((sum, row) => sum + row[i], 0) / rows.length;
  return Object.fromEntries(METRIC_NAMES.map((name, i) => [name, mean(i)])) as Record<MetricName, number>;
}
