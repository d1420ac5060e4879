import * as tf from '@tensorflow/tfjs-core';
import { divergenceScore } from './divergence';
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

/** -(1 - e) log sigmoid(x) - e log sigmoid(-x): the labels smoothed by e. */
export function smoothedLogSigmoid(x: tf.Tensor1D, e = 0): tf.Tensor1D {
  const losses = negLogSigmoid(x);
  // -log sigmoid(-x) = -log sigmoid(x) + x
  return e === 0 ? losses : tf.add(losses, tf.mul(x, e));
}

/** The margin of rewards that a loss works on, [B]; with another divergence than the reverse KL that of beta · f'(p / p_ref). */
export function rewardMargin(sides: Omit<LossResult, 'losses'>, options: LossOptions): tf.Tensor1D {
  const { chosen, rejected } = scores(sides, options);
  return tf.sub(chosen, rejected);
}

/** The same for f' a token: each completion's mean over its own tokens. */
export function normalizedMargin(sides: Omit<LossResult, 'losses'>, options: LossOptions): tf.Tensor1D {
  const { lengths } = options;
  if (!lengths) throw new Error("internal: this loss needs the completions' lengths");
  const { chosen, rejected } = scores(sides, options);
  return tf.sub(tf.div(chosen, lengths.chosen), tf.div(rejected, lengths.rejected));
}

function scores({ chosenRewards, rejectedRewards }: Omit<LossResult, 'losses'>, { beta, divergence }: LossOptions): PairLogProbs {
  if (divergence === undefined || divergence.type === 'reverse_kl') return { chosen: chosenRewards, rejected: rejectedRewards };
  const score = (rewards: tf.Tensor1D): tf.Tensor1D => tf.mul(divergenceScore(tf.div(rewards, beta), divergence), beta);
  return { chosen: score(chosenRewards), rejected: score(rejectedRewards) };
}
