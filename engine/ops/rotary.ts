import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/**
 * Rotary position embedding in Hugging Face's halves layout: (a, b) → (a cos - b sin, b cos + a sin), a and b the two
 * halves of a head. Su et al. 2021, arXiv 2104.09864.
 * @param x [T, H, D]  @param cos [T, D/2]  @param sin [T, D/2]
 */
export const rotary = fused('rotary', (x: tf.Tensor3D, cos: tf.Tensor2D, sin: tf.Tensor2D): tf.Tensor3D => {
  const [a, b] = tf.split(x, 2, 2);
  const [c, s] = [tf.expandDims(cos, 1), tf.expandDims(sin, 1)];
  return tf.concat([tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))], 2) as tf.Tensor3D;
});

/**
 * A head whose turning pairs stand side by side (even and odd places: Cohere's and GPT-J's layout) in the halves layout that `rotary`
 * turns. Queries and keys that are reordered alike have the same dot products: nothing need be put back.
 * @param x [T, H, D]
 */
export function interleaved(x: tf.Tensor3D): tf.Tensor3D {
  const [rows, heads, width] = x.shape;
  const pairs = tf.reshape(x, [rows * heads, width / 2, 2]);
  return tf.reshape(tf.transpose(pairs, [0, 2, 1]), [rows, heads, width]);
}

/**
 * The cosines and sines of rotary angles.
 * @param positions int32 [T]  @param inverseFrequencies [D/2]
 * @returns each [T, D/2], float32
 */
export function rotaryAngles(positions: tf.Tensor1D, inverseFrequencies: Float32Array): { cos: tf.Tensor2D; sin: tf.Tensor2D } {
  const angles = tf.mul(tf.expandDims(tf.cast(positions, 'float32'), 1), tf.tensor2d(inverseFrequencies, [1, inverseFrequencies.length]));
  return { cos: tf.cos(angles) as tf.Tensor2D, sin: tf.sin(angles) as tf.Tensor2D };
}

/** 1 / base^(2i/D) for i < D/2. */
export function inverseFrequencies(base: number, headWidth: number): Float32Array {
  return Float32Array.from({ length: headWidth / 2 }, (_, i) => 1 / base ** ((2 * i) / headWidth));
}
