import * as tf from '@tensorflow/tfjs-core';
import { rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * APO-down, D'Oosterlinck et al. 2024, equation 8 (https://arxiv.org/abs/2408.06266), for chosen completions worse than the model's own:
 * sigmoid(r chosen) + 1 - sigmoid(r chosen - r rejected), r the rewards.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const apart = tf.sigmoid(tf.sub<tf.Tensor1D>(sides.rejectedRewards, sides.chosenRewards));
  return { losses: tf.add(tf.sigmoid(sides.chosenRewards), apart), ...sides };
}

export const apoDown: PreferenceLoss = { needsReference: true, compute };
