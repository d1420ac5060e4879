import * as tf from '@tensorflow/tfjs-core';
import { rewardMargin, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * The hinge loss on the reward margin, Zhao et al. 2023, SLiC-HF (https://arxiv.org/abs/2305.10425), in the form that TRL gives it:
 * relu(1 - beta · [log p(chosen) / p_ref(chosen) - log p(rejected) / p_ref(rejected)]).
 * All inputs and results are [B]. A policy that equals its reference gives 1.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  return { losses: tf.relu(tf.sub<tf.Tensor1D>(1, rewardMargin(sides, options))), ...sides };
}

export const hinge: PreferenceLoss = { needsReference: true, compute };
