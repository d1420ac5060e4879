import * as tf from '@tensorflow/tfjs-core';
import { rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * The DPO loss, Rafailov et al. 2023, equation 7 (https://arxiv.org/abs/2305.18290):
 *
 *     -log sigmoid(beta · [log p(chosen) / p_ref(chosen) - log p(rejected) / p_ref(rejected)])
 *
 * All inputs and results are [B]. Written as softplus(-margin), which stays finite, as does its gradient, however large the margin.
 * A policy that equals its reference gives ln 2.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const { chosenRewards, rejectedRewards } = rewards(policy, reference, options);
  return { losses: tf.softplus(tf.sub<tf.Tensor1D>(rejectedRewards, chosenRewards)), chosenRewards, rejectedRewards };
}

export const sigmoid: PreferenceLoss = { needsReference: true, compute };
