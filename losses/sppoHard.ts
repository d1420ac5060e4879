import * as tf from '@tensorflow/tfjs-core';
import { rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * SPPO with hard labels, Wu et al. 2024, equation 4.7 (https://arxiv.org/abs/2405.00675), where the chosen side wins for certain; l is
 * log(p / p_ref):
 *
 *     (l chosen - 1 / (2 beta))² + (l rejected + 1 / (2 beta))²
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const { beta } = options;
  const winner = tf.square(tf.sub<tf.Tensor1D>(tf.div(sides.chosenRewards, beta), 0.5 / beta));
  return { losses: tf.add(winner, tf.square(tf.add(tf.div(sides.rejectedRewards, beta), 0.5 / beta))), ...sides };
}

export const sppoHard: PreferenceLoss = { needsReference: true, compute };
