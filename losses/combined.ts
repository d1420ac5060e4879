import * as tf from '@tensorflow/tfjs-core';
import type { PreferenceLoss } from './types';

/** The weighted sum of several losses, TRL's `loss_type` and `loss_weights`, times the pairs' own weights where they have some. Rewards are the same whatever the loss. */
export function combined(parts: readonly PreferenceLoss[], weights: readonly number[]): PreferenceLoss {
  return {
    needsReference: parts.some(({ needsReference }) => needsReference),
    ofBatch: parts.some(({ ofBatch }) => ofBatch),
    compute(policy, reference, options) {
      const results = parts.map((part) => part.compute(policy, reference, options));
      const weighted = results.map(({ losses }, i) => (weights[i] === 1 ? losses : tf.mul<tf.Tensor1D>(losses, weights[i])));
      const losses = weighted.length === 1 ? weighted[0] : tf.addN(weighted);
      return { ...results[0], losses: policy.weights ? tf.mul(losses, policy.weights) : losses };
    },
  };
}
