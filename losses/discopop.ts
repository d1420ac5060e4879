import * as tf from '@tensorflow/tfjs-core';
import { negLogSigmoid, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/** TRL's default. */
const TAU = 0.05;

/**
 * DiscoPOP, Lu et al. 2024, equation 5 (https://arxiv.org/abs/2406.08414): a blend of the logistic and the exponential loss of the margin
 * of rewards m by w = sigmoid(m / tau), tau = 0.05:
 *
 *     (1 - w) · -log sigmoid(m) + w · exp(-m)
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const margin = tf.sub<tf.Tensor1D>(sides.chosenRewards, sides.rejectedRewards);
  const scaled = tf.div<tf.Tensor1D>(margin, TAU);
  const logistic = tf.mul(negLogSigmoid(margin), tf.sigmoid(tf.neg(scaled)));
  return { losses: tf.add(logistic, tf.mul(tf.exp(tf.neg(margin)), tf.sigmoid(scaled))), ...sides };
}

export const discopop: PreferenceLoss = { needsReference: true, compute };
