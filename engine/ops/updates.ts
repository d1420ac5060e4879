import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/** What every update takes. Nothing of it is read back to the host. */
export interface UpdateOptions {
  learningRate: number;
  /** L2 penalty added to the gradients (decoupled from them in AdamW). */
  weightDecay: number;
  /** The gradients' norm: where it is not finite, weights and state stay as they are. */
  norm: tf.Scalar;
  /** Gradients are divided by max(1, (norm + 1e-6) / maxNorm), as torch's `clip_grad_norm_` scales them. */
  maxNorm: number;
}

export interface RmsPropOptions extends UpdateOptions {
  /** Decay of the squared gradients' average (PyTorch's alpha). */
  decay: number;
  epsilon: number;
  momentum: number;
}

export interface AdamOptions extends UpdateOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** AdamW: weights decay beside the gradients' moments and not through them. */
  decoupled: boolean;
  /** 1 for the first update: bias correction. */
  step: number;
}

export interface SgdOptions extends UpdateOptions {
  momentum: number;
}

/** torch's `clip_grad_norm_` adds this to the norm. */
export const CLIP_EPSILON = 1e-6;

/** The clipped gradients with the L2 penalty, and `set`, which assigns where the norm is finite. */
function prepared({ norm, maxNorm, weightDecay }: UpdateOptions) {
  const divisor = tf.maximum(tf.div(tf.add(norm, CLIP_EPSILON), maxNorm), 1);
  const finite = tf.isFinite(norm);
  return {
    gradient: (grad: tf.Tensor, weight: tf.Tensor, penalty = weightDecay): tf.Tensor => {
      const clipped = tf.div(grad, divisor);
      return penalty === 0 ? clipped : tf.add(clipped, tf.mul(weight, penalty));
    },
    set: (variable: tf.Variable, next: tf.Tensor): void => variable.assign(tf.where(finite, next, variable)),
  };
}

/**
 * In place, as `torch.optim.RMSprop`: s ← decay s + (1 - decay) g²; b ← momentum b + g / (sqrt(s) + epsilon); w ← w - lr b.
 * @param momenta b of each weight; none where momentum is 0
 */
export const rmsPropUpdate = fused(
  'rmsPropUpdate',
  (
    weights: readonly tf.Variable[],
    grads: readonly tf.Tensor[],
    squares: readonly tf.Variable[],
    momenta: readonly tf.Variable[],
    options: RmsPropOptions,
  ): void =>
    weights.forEach((weight, i) =>
      tf.tidy(() => {
        const { learningRate, decay, epsilon, momentum } = options;
        const { gradient, set } = prepared(options);
        const g = gradient(grads[i], weight);
        set(squares[i], tf.add(tf.mul(squares[i], decay), tf.mul(tf.square(g), 1 - decay)));
        let direction = tf.div(g, tf.add(tf.sqrt(squares[i]), epsilon));
        if (momentum !== 0) {
          direction = tf.add(tf.mul(momenta[i], momentum), direction);
          set(momenta[i], direction);
        }
        set(weight, tf.sub(weight, tf.mul(direction, learningRate)));
      }),
    ),
);

/** In place, as `torch.optim.Adam` (Kingma and Ba, arXiv 1412.6980) or `torch.optim.AdamW` (Loshchilov and Hutter, arXiv 1711.05101). */
export const adamUpdate = fused(
  'adamUpdate',
  (
    weights: readonly tf.Variable[],
    grads: readonly tf.Tensor[],
    firsts: readonly tf.Variable[],
    seconds: readonly tf.Variable[],
    options: AdamOptions,
  ): void =>
    weights.forEach((weight, i) =>
      tf.tidy(() => {
        const { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, step } = options;
        const { gradient, set } = prepared(options);
        const g = gradient(grads[i], weight, decoupled ? 0 : weightDecay);
        set(firsts[i], tf.add(tf.mul(firsts[i], beta1), tf.mul(g, 1 - beta1)));
        set(seconds[i], tf.add(tf.mul(seconds[i], beta2), tf.mul(tf.square(g), 1 - beta2)));
        const denominator = tf.add(tf.sqrt(tf.div(seconds[i], 1 - beta2 ** step)), epsilon);
        const change = tf.mul(tf.div(firsts[i], denominator), learningRate / (1 - beta1 ** step));
        set(weight, tf.sub(tf.mul(weight, decoupled ? 1 - learningRate * weightDecay : 1), change));
      }),
    ),
);

/**
 * In place, as `torch.optim.SGD`: b ← momentum b + g; w ← w - lr b.
 * @param momenta b of each weight, zeros at first; none where momentum is 0
 */
export const sgdUpdate = fused(
  'sgdUpdate',
  (weights: readonly tf.Variable[], grads: readonly tf.Tensor[], momenta: readonly tf.Variable[], options: SgdOptions): void =>
    weights.forEach((weight, i) =>
      tf.tidy(() => {
        const { learningRate, momentum } = options;
        const { gradient, set } = prepared(options);
        let direction = gradient(grads[i], weight);
        if (momentum !== 0) {
          direction = tf.add(tf.mul(momenta[i], momentum), direction);
          set(momenta[i], direction);
        }
        set(weight, tf.sub(weight, tf.mul(direction, learningRate)));
      }),
    ),
);

/**
 * Adds `scale` times the gradients to sums of earlier ones, in float32 whatever the engine's precision.
 * @param sums what this function returned for the batch before; none for the first. They are not to be used afterwards
 */
export const accumulateGradients = fused(
  'accumulateGradients',
  (sums: readonly tf.Tensor[] | undefined, grads: readonly tf.Tensor[], scale: number): tf.Tensor[] =>
    grads.map((grad, i) => {
      if (!sums) return tf.mul(grad, scale);
      const sum = tf.tidy(() => tf.add(sums[i], tf.mul(grad, scale)));
      sums[i].dispose();
      return sum;
    }),
);

/** The Euclidean norm over all gradients together, a float32 scalar. */
export const globalNorm = fused('globalNorm', (grads: readonly tf.Tensor[]): tf.Scalar => {
  return tf.sqrt(tf.addN(grads.map((grad) => tf.sum(tf.square(grad)) as tf.Scalar))) as tf.Scalar;
});
