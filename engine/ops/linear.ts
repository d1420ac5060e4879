import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';
import { patchOf } from './weightPatches';

const linearProduct = fused('linear', (x: tf.Tensor2D, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor2D => {
  const product = tf.matMul(x, weight as tf.Tensor2D, false, true) as tf.Tensor2D;
  return bias ? tf.add(product, bias) : product;
});

const conv1dProduct = fused('conv1d', (x: tf.Tensor2D, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor2D => {
  const product = tf.matMul(x, weight as tf.Tensor2D) as tf.Tensor2D;
  return bias ? tf.add(product, bias) : product;
});

const embeddingRows = fused('embedding', (ids: tf.Tensor1D, table: tf.Tensor): tf.Tensor2D => tf.gather(table as tf.Tensor2D, ids));

/**
 * x · Wᵀ (+ bias), with the weight as Hugging Face's `nn.Linear` stores it; what an adapter adds to the weight is in it.
 * @param x [T, I]  @param weight [O, I]  @param bias [O]
 * @returns [T, O]
 */
export const linear = Object.assign(
  (x: tf.Tensor2D, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor2D => {
    const output = linearProduct(x, weight, bias);
    return patchOf(weight)?.linear?.(x, output, bias) ?? output;
  },
  { plain: linearProduct.plain },
);

/**
 * x · W + bias, with the weight as GPT-2's `Conv1D` stores it; what an adapter adds to the weight is in it.
 * @param x [T, I]  @param weight [I, O]  @param bias [O]
 */
export const conv1d = Object.assign(
  (x: tf.Tensor2D, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor2D => {
    const output = conv1dProduct(x, weight, bias);
    return patchOf(weight)?.linear?.(x, output, bias) ?? output;
  },
  { plain: conv1dProduct.plain },
);

/** x times a weight as it is, without bias and without what an adapter adds. @param inputFirst the weight is a `conv1d`'s */
export const bareProduct = (x: tf.Tensor2D, weight: tf.Tensor, inputFirst: boolean): tf.Tensor2D =>
  inputFirst ? conv1dProduct(x, weight) : linearProduct(x, weight);

/**
 * Rows of an embedding table; what an adapter adds to the table is in them.
 * @param ids int32 [T]  @param table [V, D]
 * @returns [T, D]
 */
export const embedding = Object.assign(
  (ids: tf.Tensor1D, table: tf.Tensor): tf.Tensor2D => {
    const rows = embeddingRows(ids, table);
    return patchOf(table)?.embedding?.(ids, rows) ?? rows;
  },
  { plain: embeddingRows.plain },
);

/**
 * output + scale · (x · Aᵀ) · Bᵀ: a low-rank addition to a weight (LoRA, arXiv 2106.09685).
 * @param output [T, O]  @param x [T, I]  @param a [R, I]  @param b [O, R]
 * @returns [T, O]
 */
export const addLowRank = fused(
  'addLowRank',
  (output: tf.Tensor2D, x: tf.Tensor2D, a: tf.Tensor, b: tf.Tensor, scale: number): tf.Tensor2D =>
    tf.add(output, tf.mul(tf.matMul(tf.matMul(x, a as tf.Tensor2D, false, true), b as tf.Tensor2D, false, true), scale)),
);
