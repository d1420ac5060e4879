import type * as tf from '@tensorflow/tfjs-core';

/** What an adapter adds wherever a weight is used: called with the frozen weight's own result, returns what the model goes on with. */
export interface WeightPatch {
  /** For `linear` and `conv1d`. x [T, I], output [T, O] with the bias in it. */
  linear?: (x: tf.Tensor2D, output: tf.Tensor2D, bias: tf.Tensor | undefined) => tf.Tensor2D;
  /** For `embedding`. ids int32 [T], rows [T, D] */
  embedding?: (ids: tf.Tensor1D, rows: tf.Tensor2D) => tf.Tensor2D;
}

const patches = new WeakMap<tf.Tensor, WeightPatch>();

/** What is patched onto a weight, if anything. */
export function patchOf(weight: tf.Tensor): WeightPatch | undefined {
  return patches.get(weight);
}

/** Patches a weight: models use it as before and know nothing of adapters. A tied embedding takes a patch for each of its uses. */
export function patchWeight(weight: tf.Tensor, patch: WeightPatch): void {
  patches.set(weight, { ...patches.get(weight), ...patch });
}

/** Takes every patch off a weight. */
export function unpatchWeight(weight: tf.Tensor): void {
  patches.delete(weight);
}
