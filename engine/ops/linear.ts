import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/**
 * x · Wᵀ (+ bias), with the weight as Hugging Face's `nn.Linear` stores it.
 * @param x [T, I]  @param weight [O, I]  @param bias [O]
 * @returns [T, O]
 */
export const linear = fused('linear', (x: tf.Tensor2D, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor2D => {
  const product = tf.matMul(x, weight as tf.Tensor2D, false, true) as tf.Tensor2D;
  return bias ? tf.add(product, bias) : product;
});

/**
 * x · W + bias, with the weight as GPT-2's `Conv1D` stores it.
 * @param x [T, I]  @param weight [I, O]  @param bias [O]
 */
export const conv1d = fused('conv1d', (x: tf.Tensor2D, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor2D =>
  tf.add<tf.Tensor2D>(tf.matMul(x, weight as tf.Tensor2D), bias),
);

/**
 * Rows of an embedding table.
 * @param ids int32 [T]  @param table [V, D]
 * @returns [T, D]
 */
export const embedding = fused('embedding', (ids: tf.Tensor1D, table: tf.Tensor): tf.Tensor2D => tf.gather(table as tf.Tensor2D, ids));
