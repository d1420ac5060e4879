import * as tf from '@tensorflow/tfjs-core';
import type { LossOptions, LossResult, PairLogProbs } from './types';

/** Implicit rewards beta · log(p / p_ref) of both sides, [B] each (Rafailov et al. 2023, section 4, https://arxiv.org/abs/2305.18290). */
export function rewards(policy: PairLogProbs, reference: PairLogProbs, { beta }: LossOptions): Omit<LossResult, 'losses'> {
  return {
    chosenRewards: tf.mul(tf.sub(policy.chosen, reference.chosen), beta),
    rejectedRewards: tf.mul(tf.sub(policy.rejected, reference.rejected), beta),
  };
}

/** -log sigmoid(x) as softplus(-x), which stays finite, as does its gradient, however large x. */
export function negLogSigmoid(x: tf.Tensor1D): tf.Tensor1D {
  return tf.softplus(tf.neg(x));
}

/** beta times the difference of log(p / p_ref) a token, [B]: each completion's mean over its own tokens. */
export function normalizedMargin(sides: Omit<LossResult, 'losses'>, { lengths }: LossOptions): tf.Tensor1D {
  if (!lengths) throw new Error("internal: this loss needs the completions' lengths");
  return tf.sub(tf.div(sides.chosenRewards, lengths.chosen), tf.div(sides.rejectedRewards, lengths.rejected));
}
