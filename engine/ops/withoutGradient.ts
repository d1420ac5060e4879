import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/** What `f` gives, [N], as a constant to the gradient. */
export const withoutGradient = fused('withoutGradient', (f: () => tf.Tensor1D): tf.Tensor1D => {
  const cut = tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor), gradFunc: (dy) => tf.zerosLike(dy) }));
  return cut(f()) as tf.Tensor1D;
});
