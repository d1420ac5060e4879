import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

export interface RmsPropOptions {
  learningRate: number;
  /** Decay of the squared gradients' average (PyTorch's alpha). */
  decay: number;
  epsilon: number;
  /** Gradients are divided by this: max(1, norm / clip). */
  gradientDivisor: number;
}

export interface AdamWOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  gradientDivisor: number;
  /** 1 for the first update: bias correction. */
  step: number;
}

/** In place, as `torch.optim.RMSprop` without momentum: s ← decay s + (1 - decay) g²; w ← w - lr g / (sqrt(s) + epsilon). */
export const rmsPropUpdate = fused(
  'rmsPropUpdate',
  (weights: readonly tf.Variable[], grads: readonly tf.Tensor[], squares: readonly tf.Variable[], options: RmsPropOptions): void =>
    weights.forEach((weight, i) =>
      tf.tidy(() => {
        const g = tf.div(grads[i], options.gradientDivisor);
        squares[i].assign(tf.add(tf.mul(squares[i], options.decay), tf.mul(tf.square(g), 1 - options.decay)));
        weight.assign(tf.sub(weight, tf.mul(tf.div(g, tf.add(tf.sqrt(squares[i]), options.epsilon)), options.learningRate)));
      }),
    ),
);

/** In place, as `torch.optim.AdamW`: decoupled weight decay, bias-corrected moments (Loshchilov and Hutter, arXiv 1711.05101). */
export const adamWUpdate = fused(
  'adamWUpdate',
  (
    weights: readonly tf.Variable[],
    grads: readonly tf.Tensor[],
    firsts: readonly tf.Variable[],
    seconds: readonly tf.Variable[],
    options: AdamWOptions,
  ): void =>
    weights.forEach((weight, i) =>
      tf.tidy(() => {
        const { learningRate, beta1, beta2, epsilon, weightDecay, step } = options;
        const g = tf.div(grads[i], options.gradientDivisor);
        firsts[i].assign(tf.add(tf.mul(firsts[i], beta1), tf.mul(g, 1 - beta1)));
        seconds[i].assign(tf.add(tf.mul(seconds[i], beta2), tf.mul(tf.square(g), 1 - beta2)));
        const denominator = tf.add(tf.sqrt(tf.div(seconds[i], 1 - beta2 ** step)), epsilon);
        const update = tf.mul(tf.div(firsts[i], denominator), learningRate / (1 - beta1 ** step));
        weight.assign(tf.sub(tf.mul(weight, 1 - learningRate * weightDecay), update));
      }),
    ),
);

/** The Euclidean norm over all gradients together, a float32 scalar. */
export const globalNorm = fused('globalNorm', (grads: readonly tf.Tensor[]): tf.Scalar => {
  return tf.sqrt(tf.addN(grads.map((grad) => tf.sum(tf.square(grad)) as tf.Scalar))) as tf.Scalar;
});
