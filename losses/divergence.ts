import * as tf from '@tensorflow/tfjs-core';

/** f-DPO's divergences by TRL's names (`f_divergence_type`). */
export type DivergenceType = 'reverse_kl' | 'forward_kl' | 'js_divergence' | 'alpha_divergence';

export interface Divergence {
  type: DivergenceType;
  /** Of the alpha divergence. */
  alpha: number;
}

/** Beyond it TRL lets an exponential grow no further. */
const LARGEST_EXPONENT = 80;

/**
 * f'(u) of the likelihood ratio u = p / p_ref, given its logarithm x, [B]: what takes the log ratio's place in DPO when another divergence
 * than the reverse KL keeps the policy near its reference (Wang et al. 2023, Beyond Reverse KL, https://arxiv.org/abs/2309.16240), constants
 * as TRL has them:
 *
 *     reverse_kl         x
 *     forward_kl         1 - e^-x
 *     js_divergence      log 2 + log sigmoid(x)
 *     alpha_divergence   (e^((alpha - 1) x) - 1) / (alpha - 1), x where alpha is 1
 */
export function divergenceScore(x: tf.Tensor1D, { type, alpha }: Divergence): tf.Tensor1D {
  switch (type) {
    case 'forward_kl':
      return tf.sub(1, tf.exp(tf.neg(x)));
    case 'js_divergence':
      return tf.sub(Math.LN2, tf.softplus(tf.neg(x)));
    case 'alpha_divergence': {
      const power = alpha - 1;
      if (Math.abs(power) < 1e-6) return x;
      const exponent = tf.mul<tf.Tensor1D>(x, power);
      // of one shape: tfjs's gradient of a minimum knows no broadcasting
      return tf.div(tf.sub(tf.exp(tf.minimum(exponent, tf.fill(x.shape, LARGEST_EXPONENT))), 1), power);
    }
    case 'reverse_kl':
      return x;
  }
}
