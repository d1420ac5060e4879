import * as tf from '@tensorflow/tfjs-core';
import { negLogSigmoid, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * NCA on pairs, Chen et al. 2024 (https://arxiv.org/abs/2402.05369), of the rewards r:
 *
 *     -log sigmoid(r chosen) - 1/2 log sigmoid(-r chosen) - 1/2 log sigmoid(-r rejected)
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const away = tf.add(negLogSigmoid(tf.neg(sides.chosenRewards)), negLogSigmoid(tf.neg(sides.rejectedRewards)));
  return { losses: tf.add(negLogSigmoid(sides.chosenRewards), tf.mul(away, 0.5)), ...sides };
}

export const ncaPair: PreferenceLoss = { needsReference: true, compute };
