import * as tf from '@tensorflow/tfjs-core';
import { rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * APO-zero, D'Oosterlinck et al. 2024, equation 7 (https://arxiv.org/abs/2408.06266), for chosen completions better than the model's own:
 * 1 - sigmoid(r chosen) + sigmoid(r rejected), r the rewards.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  return { losses: tf.add(tf.sigmoid(tf.neg(sides.chosenRewards)), tf.sigmoid(sides.rejectedRewards)), ...sides };
}

export const apoZero: PreferenceLoss = { needsReference: true, compute };
