import * as tf from '@tensorflow/tfjs-core';
import { rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * Supervised finetuning on the chosen completions, TRL's `sft`: the mean of -log p over all their tokens in the batch, tails too, which is each pair's
 * loss. Beside a preference loss it keeps the chosen completions likely (RPO, Pang et al. 2024, https://arxiv.org/abs/2404.19733; MPO, Wang et
 * al. 2024, https://arxiv.org/abs/2411.10442).
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const { lengths } = options;
  if (!lengths) throw new Error("internal: this loss needs the completions' lengths");
  const mean = tf.neg(tf.div(tf.sum(policy.wholeChosen ?? policy.chosen), tf.sum(lengths.chosen)));
  return { losses: tf.mul(tf.onesLike(policy.chosen), mean), ...rewards(policy, reference, options) };
}

export const sft: PreferenceLoss = { needsReference: true, ofBatch: true, compute };
