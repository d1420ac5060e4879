import * as tf from '@tensorflow/tfjs-core';
import { negLogSigmoid, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * BCO on pairs, Jung et al. 2024 (https://arxiv.org/abs/2404.04656), without a shift of the rewards r, as TRL has it:
 * -log sigmoid(r chosen) - log sigmoid(-r rejected).
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  return { losses: tf.add(negLogSigmoid(sides.chosenRewards), negLogSigmoid(tf.neg(sides.rejectedRewards))), ...sides };
}

export const bcoPair: PreferenceLoss = { needsReference: true, compute };
