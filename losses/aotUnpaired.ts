import * as tf from '@tensorflow/tfjs-core';
import { alignedOrder } from './alignedOrder';
import { rewards, smoothedLogSigmoid } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * AOT for unpaired data, Melnyk et al. 2024 (https://arxiv.org/abs/2406.05882), TRL's `aot_unpaired`: as `aot`, but d is the difference between
 * the sorted rewards of the batch's chosen completions and those of its rejected ones.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const margin = tf.sub<tf.Tensor1D>(sides.chosenRewards, alignedOrder(sides.chosenRewards, sides.rejectedRewards));
  return { losses: smoothedLogSigmoid(margin, options.labelSmoothing), ...sides };
}

export const aotUnpaired: PreferenceLoss = { needsReference: true, ofBatch: true, compute };
