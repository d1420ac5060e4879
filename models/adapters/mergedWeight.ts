import * as tf from '@tensorflow/tfjs-core';
import { mergedNorms } from '../../engine/ops/dora';
import { lowRank } from './lowRank';
import type { LoraModule } from './types';

/**
 * A module's weight with its adapter's addition in it, as PEFT's `merge_and_unload` makes it.
 * @param weight as it is stored: [O, I], or [I, O] where the module's is `inputFirst`
 * @returns in the same layout
 */
export function mergedWeight(weight: tf.Tensor2D, module: LoraModule): tf.Tensor2D {
  const { scale, magnitude, inputFirst } = module;
  return tf.tidy(() => {
    const { a, b } = lowRank(module);
    const delta = tf.mul(tf.matMul<tf.Tensor2D>(b, a), scale);
    const sum = tf.add<tf.Tensor2D>(weight, inputFirst ? tf.transpose(delta) : delta);
    if (!magnitude) return sum;
    const factor = tf.div(magnitude, mergedNorms(weight, a, b, scale, inputFirst));
    return tf.mul(sum, inputFirst ? factor : tf.expandDims(factor, 1));
  });
}
