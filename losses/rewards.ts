import * as tf from '@tensorflow/tfjs-core';
import type { LossOptions, LossResult, PairLogProbs } from './types';

/** Implicit rewards beta · log(p / p_ref) of both sides, [B] each (Rafailov et al. 2023, section 4, https://arxiv.org/abs/2305.18290). */
export function rewards(policy: PairLogProbs, reference: PairLogProbs, { beta }: LossOptions): Omit<LossResult, 'losses'> {
  return {
    chosenRewards: tf.mul(tf.sub(policy.chosen, reference.chosen), beta),
    rejectedRewards: tf.mul(tf.sub(policy.rejected, reference.rejected), beta),
  };
}
