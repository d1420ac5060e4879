import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../util/random';
import { fused } from '../fused';

/**
 * Dropout: each value is 0 with probability `rate`, else divided by 1 - rate, so that the expectation stays. The same seed gives the same
 * result on the same engine and device; no generator's state is used.
 * @param x any shape  @param rate in [0, 1)
 */
export const dropout = fused('dropout', (x: tf.Tensor2D, rate: number, seed: number): tf.Tensor2D => {
  const random = randomStream(seed);
  const mask = Float32Array.from({ length: x.size }, () => (random() < rate ? 0 : 1 / (1 - rate)));
  return tf.mul(x, tf.tensor(mask, x.shape, 'float32'));
});
