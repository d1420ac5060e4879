import * as tf from '@tensorflow/tfjs-core';
import { negLogSigmoid, rewardMargin, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * EXO on pairs, Ji et al. 2024, equation 16 (https://arxiv.org/abs/2402.00856): the reverse KL divergence from the policy's preference
 * sigmoid(m), m the margin of rewards, to labels smoothed by e, which must be more than 0.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const margin = rewardMargin(sides, options);
  const e = options.labelSmoothing ?? 0;
  const term = (x: tf.Tensor1D, label: number): tf.Tensor1D => tf.mul(tf.sigmoid(x), tf.sub(tf.neg(negLogSigmoid(x)), Math.log(label)));
  return { losses: tf.add(term(margin, 1 - e), term(tf.neg(margin), e)), ...sides };
}

export const exoPair: PreferenceLoss = { needsReference: true, compute };
