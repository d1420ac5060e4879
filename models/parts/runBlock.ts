import * as tf from '@tensorflow/tfjs-core';
import type { BlockInput, ForwardInput } from '../types';

/**
 * One decoder block: `run` as it is, its intermediate results freed, or through `input.recompute` where activations are recomputed.
 * @param x [T, D]  @param extras every other tensor made in the forward pass that the block reads: closed over, it would be gone when the
 * block runs again; weights live longer  @param run takes x, extras and input as they are then
 */
export function runBlock<E extends readonly tf.Tensor[]>(
  input: ForwardInput,
  x: tf.Tensor2D,
  extras: readonly [...E],
  run: (x: tf.Tensor2D, extras: readonly [...E], input: BlockInput) => tf.Tensor2D,
): tf.Tensor2D {
  return input.recompute ? input.recompute(x, extras, run) : tf.tidy(() => run(x, extras, input));
}
