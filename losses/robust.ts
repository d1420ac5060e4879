import * as tf from '@tensorflow/tfjs-core';
import { negLogSigmoid, rewardMargin, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * Robust DPO, Chowdhury et al. 2024 (https://arxiv.org/abs/2403.00409): unbiased where a share e (the label smoothing, below 1/2) of the
 * labels is swapped. With the margin of rewards m:
 *
 *     [-(1 - e) log sigmoid(m) + e log sigmoid(-m)] / (1 - 2 e)
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const margin = rewardMargin(sides, options);
  const e = options.labelSmoothing ?? 0;
  // log sigmoid(-m) = log sigmoid(m) - m: what is left of the two terms
  return { losses: tf.sub(negLogSigmoid(margin), tf.mul(margin, e / (1 - 2 * e))), ...sides };
}

export const robust: PreferenceLoss = { needsReference: true, compute };
