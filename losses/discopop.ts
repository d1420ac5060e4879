import * as tf from '@tensorflow/tfjs-core';
import { negLogSigmoid, rewardMargin, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/** TRL's default. */
const TAU = 0.05;

/**
 * DiscoPOP, Lu et al. 2024, equation 5 (https://arxiv.org/abs/2406.08414): a blend of the logistic and the exponential loss of the margin
 * of rewards m by w = sigmoid(m / tau):
 *
 *     (1 - w) · -log sigmoid(m) + w · exp(-m)
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const margin = rewardMargin(sides, options);
  const scaled = tf.div<tf.Tensor1D>(margin, options.discopopTau ?? TAU);
  const logistic = tf.mul(negLogSigmoid(margin), tf.sigmoid(tf.neg(scaled)));
  return { losses: tf.add(logistic, tf.mul(tf.exp(tf.neg(margin)), tf.sigmoid(scaled))), ...sides };
}

export const discopop: PreferenceLoss = { needsReference: true, compute };
