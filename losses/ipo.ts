import * as tf from '@tensorflow/tfjs-core';
import { normalizedMargin, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * IPO, Azar et al. 2023, equation 17 (https://arxiv.org/abs/2310.12036), with each completion's log(p / p_ref) averaged over its tokens, as TRL
 * has it on its authors' word; d is the difference of the averages:
 *
 *     (d - 1 / (2 beta))²
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  const difference = tf.div<tf.Tensor1D>(normalizedMargin(sides, options), options.beta);
  return { losses: tf.square(tf.sub<tf.Tensor1D>(difference, 1 / (2 * options.beta))), ...sides };
}

export const ipo: PreferenceLoss = { needsReference: true, compute };
