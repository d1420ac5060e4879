import * as tf from '@tensorflow/tfjs-core';
import { alignedOrder } from './alignedOrder';
import { rewards, smoothedLogSigmoid } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * AOT, alignment by optimal transport, Melnyk et al. 2024 (https://arxiv.org/abs/2406.05882), for pairs, TRL's `aot`: the policy's log ratios
 * log p(chosen) / p(rejected) of the batch are sorted, the reference's likewise, and d is their difference at each place. With a label
 * smoothing of e:
 *
 *     -(1 - e) log sigmoid(beta · d) - e log sigmoid(-beta · d)
 *
 * A loss stands at the place of its policy's pair.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const [own, others] = [policy, reference].map(({ chosen, rejected }) => tf.sub<tf.Tensor1D>(chosen, rejected));
  const difference = tf.mul<tf.Tensor1D>(tf.sub(own, alignedOrder(own, others)), options.beta);
  return { losses: smoothedLogSigmoid(difference, options.labelSmoothing), ...rewards(policy, reference, options) };
}

export const aot: PreferenceLoss = { needsReference: true, ofBatch: true, compute };
