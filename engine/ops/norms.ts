import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/**
 * Layer normalisation over the last axis: (x - mean) / sqrt(variance + epsilon) * weight + bias, weight and bias where they are given.
 * @param x [..., D]  @param weight [D]  @param bias [D]
 */
export const layerNorm = fused(
  'layerNorm',
  (x: tf.Tensor, weight: tf.Tensor | undefined, bias: tf.Tensor | undefined, epsilon: number): tf.Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normed = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
    const scaled = weight ? tf.mul(normed, weight) : normed;
    return bias ? tf.add(scaled, bias) : scaled;
  },
);

/**
 * Root-mean-square normalisation over the last axis: x / sqrt(mean(x²) + epsilon) * (offset + weight).
 * Gemma stores its weight as the distance from 1: offset 1; everyone else's offset is 0.
 * @param x [..., D]  @param weight [D]
 */
export const rmsNorm = fused('rmsNorm', (x: tf.Tensor, weight: tf.Tensor, epsilon: number, offset: 0 | 1): tf.Tensor => {
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
  return tf.mul(tf.mul(x, scale), offset === 0 ? weight : tf.add(weight, offset));
});
